import type { Entry, Message, Person } from "@chat-engine/client";
import { dayOf } from "./time.js";

/** Milliseconds within which messages of one author stand under one name. */
const TOGETHER = 5 * 60_000;

/** The state of one's own message. */
export type Fate = "sending" | "failed" | "sent" | "delivered" | "read";

/** A row of a conversation. */
export type Row =
  | { readonly kind: "start" | "older"; readonly key: "start" }
  | { readonly kind: "event"; readonly key: string; readonly text: string; readonly day: string | undefined }
  | {
      readonly kind: "message";
      readonly key: string;
      readonly message: Message;
      /** It begins a day, and so has a line above. */
      readonly day: boolean;
      /** It is the first one that the user has not read, and has a line above. */
      readonly fresh: boolean;
      /** It shows its author. */
      readonly first: boolean;
      readonly fate: Fate | undefined;
      /** Others who have read up to here, and no further. */
      readonly readers: readonly string[];
    };

const moments = new WeakMap<Message, readonly [time: number, day: number]>();

/** The time and day of a message; one on its way is of now. */
function momentOf(message: Message): readonly [time: number, day: number] {
  let moment = moments.get(message);
  if (!moment) {
    const at = message.at ?? new Date().toISOString();
    moments.set(message, (moment = [Date.parse(at), dayOf(at)]));
  }
  return moment;
}

function fateOf({ status, seq = Infinity }: Message, others: readonly Person[]): Fate {
  if (status !== "sent") return status;
  if (others.length === 0) return "sent";
  const all = (mark: "delivered" | "read"): boolean => others.every((person) => (person[mark] ?? 0) >= seq);
  return all("read") ? "read" : all("delivered") ? "delivered" : "sent";
}

/** The last message at or below each number, of those that members have read. */
function readersOf(messages: readonly Message[], others: readonly Person[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { user, read = 0 } of others) {
    if (read === 0) continue;
    let at = messages.length - 1;
    while (at >= 0 && (messages[at]?.seq ?? Infinity) > read) at--;
    const message = messages[at];
    if (!message || message.author === user) continue;
    found.set(message.key, [...(found.get(message.key) ?? []), user]);
  }
  return found;
}

/** An event in a room, in words; undefined if it is not worth one. */
function wordsFor({ author, body }: Entry): string | undefined {
  switch (body.kind) {
    case "joined":
      return author === body.user ? `${author} joined` : `${author} added ${body.user}`;
    case "left":
      if (body.why === "removed") return `${author} removed ${body.user}`;
      return body.why === "banned" ? `${author} banned ${body.user}` : `${body.user} left`;
    case "role":
      return `${author} made ${body.user} ${body.role === "owner" ? "an" : "a"} ${body.role}`;
    case "room":
      if (body.archived !== undefined) return `${author} ${body.archived ? "archived this" : "opened this again"}`;
      if (body.name !== undefined) return `${author} named this ${body.name}`;
      if (body.topic !== undefined) return body.topic ? `${author} set the topic: ${body.topic}` : `${author} took the topic away`;
      return body.settings ? `${author} changed the settings` : undefined;
    default:
      return undefined;
  }
}

/** The rows of a conversation: what belongs together stands together. */
export function rowsOf(
  messages: readonly Message[],
  events: readonly Entry[],
  members: readonly Person[],
  me: string,
  older: boolean,
  readBefore: number,
): Row[] {
  const others = members.filter(({ user }) => user !== me);
  const readers = others.length > 1 ? readersOf(messages, others) : new Map<string, string[]>();
  const rows: Row[] = [{ kind: older ? "older" : "start", key: "start" }];
  let before: Message | undefined;
  let fresh = readBefore < Infinity;
  let [lastTime, lastDay, next] = [0, 0, 0];
  /** The events before a message stand above it, and part it from what its author has written before. */
  const happened = (until: number): void => {
    for (let event = events[next]; event && event.seq < until; event = events[++next]) {
      const text = wordsFor(event);
      if (text === undefined) continue;
      const day = dayOf(event.at);
      rows.push({ kind: "event", key: `${event.seq}`, text, day: day === lastDay ? undefined : event.at });
      [before, lastDay] = [undefined, day];
    }
  };
  for (const message of messages) {
    happened(message.seq ?? Infinity);
    const [time, day] = momentOf(message);
    const newDay = day !== lastDay;
    const isFresh = fresh && message.author !== me && (message.seq ?? 0) > readBefore;
    if (isFresh) fresh = false;
    rows.push({
      kind: "message",
      key: message.key,
      message,
      day: newDay,
      fresh: isFresh,
      first: newDay || isFresh || message.author !== before?.author || time - lastTime > TOGETHER,
      fate: undefined,
      readers: readers.get(message.key) ?? [],
    });
    before = message;
    [lastTime, lastDay] = [time, day];
  }
  happened(Infinity);
  return withFates(rows, others, me);
}

/** Shows of one's own messages what becomes of each on its way, and how far those that are stored have got. */
function withFates(rows: Row[], others: readonly Person[], me: string): Row[] {
  const shown = new Set<Fate>();
  for (let n = rows.length - 1; n >= 0; n--) {
    const row = rows[n];
    if (row?.kind !== "message" || row.message.author !== me || row.message.deleted) continue;
    const fate = fateOf(row.message, others);
    if (row.message.status === "sent") {
      if (shown.has(fate)) continue;
      shown.add(fate);
    }
    rows[n] = { ...row, fate };
    if (fate === "read") break;
  }
  return rows;
}
