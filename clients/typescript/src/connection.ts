import type { Backoff } from "./backoff.js";
import { ChatError } from "./errors.js";
import { Marks } from "./marks.js";
import { Pace } from "./pace.js";
import { type Notice, Positions } from "./positions.js";
import type { Answer, Command, ErrorBody, Event, Outgoing, Request } from "./protocol.js";
import { type Answered, leaveUnanswered, mayRepeat, Queue, type Question, RETRY, settle, timeOut } from "./queue.js";

/** Silence after which the server is pinged, and after which the connection counts as lost. */
const QUIET = 30_000;
const DEAD = 45_000;

/** The wait for the answer to a message, a receipt or a page, after which the connection counts as lost. */
const UNANSWERED = 30_000;

/** The interval of typing notices in one room. */
const TYPING = 3_000;

/** Entries in a page of history, and rooms in a page of the listing. */
const PAGE = 200;

/** The events of a client: those that the server sends, and the state of the connection. */
export type ClientEvent =
  | Event
  | Notice
  /** Connected, for the first time or again. */
  | { readonly type: "connected"; readonly user: string; readonly session: string }
  /** There is no connection, and the next attempt is in `retryIn` milliseconds. */
  | { readonly type: "disconnected"; readonly reason: string; readonly retryIn: number }
  /** Rooms as the server lists them after each connection, in pages. */
  | { readonly type: "listed"; readonly rooms: readonly import("./protocol.js").Membership[]; readonly more: boolean }
  /** The client has ended, and this is its last event. */
  | { readonly type: "ended"; readonly error: ChatError };

/** The end of a connection, or of an attempt: `final` when no other connection would do better. */
export interface End {
  readonly reason: string;
  readonly final?: ChatError;
}

/** Something that the owner of the socket is to do. */
export type Action =
  | { readonly write: Request }
  | { readonly renew: true }
  | { readonly emit: ClientEvent }
  | { readonly end: End };

type Awaited =
  | { readonly kind: "hello" | "listing" | "message" | "renewal" | "other" }
  | { readonly kind: "page" | "mark"; readonly room: string }
  | { readonly kind: "question"; readonly question: Question };

/** The parts of a client that outlive a connection. */
export class Lasting {
  readonly queue = new Queue();
  readonly marks = new Marks();
  readonly positions = new Positions();
  readonly typed = new Map<string, number>();
  readonly backoff: Backoff;
  /** True if the next connection has a token of its own. */
  readonly renewable: boolean;

  constructor(backoff: Backoff, renewable: boolean) {
    this.backoff = backoff;
    this.renewable = renewable;
  }
}

function lost(reason: string): End {
  return { reason };
}

/** The meaning of a refused `hello`: the user is at fault, or the server can't take it now. */
function refused(error: ErrorBody, renewable: boolean): End {
  const { code, message } = error;
  const final = (code >= 100 && code < 200) || code === 213;
  if (!final || (code === 111 && renewable)) return lost(message);
  return { reason: message, final: new ChatError("ended", message, code) };
}

/** The meaning of a close code. `renewable`: the next connection has a new token. */
export function closed(code: number, text: string, renewable: boolean): End {
  const reason = `the server closed the connection${text && `: ${text}`} (${code})`;
  const final = [1002, 1003, 1007, 1009].includes(code) || (code >= 4500 && code < 5000);
  if (!final || (code === 4501 && renewable)) return lost(reason);
  return { reason, final: new ChatError("ended", reason, code) };
}

/** One connection to the server, without its socket: inputs go in, actions come out. */
export class Connection {
  readonly #lasting: Lasting;
  readonly #awaited = new Map<number, { since: number; what: Awaited }>();
  readonly #pace = new Pace();
  #lastId = 0;
  #welcomed = false;
  #heard: number;
  #pinged = false;
  #listing: Command | undefined;
  #typing: string | undefined;
  /** The times at which the first message, and the next page, may be sent again. */
  #messageAt = 0;
  #pageAt = 0;
  #actions: Action[] = [];

  constructor(lasting: Lasting, now: number, token: string) {
    this.#lasting = lasting;
    this.#heard = now;
    this.#write(now, { type: "hello", token, cursors: lasting.positions.resume() }, { kind: "hello" });
  }

  get welcomed(): boolean {
    return this.#welcomed;
  }

  /** A text came. One that can't be read only shows that the server lives. */
  hear(now: number, text: string): void {
    this.#heard = now;
    this.#pinged = false;
    let frame: Outgoing;
    try {
      frame = JSON.parse(text);
      if (frame.type === "reply" || frame.type === "error") this.#answer(now, frame);
      else this.#event(frame);
    } catch {
      // A newer server may send what this client can't read.
    }
  }

  /** A new token, which the connection has asked for. */
  renew(now: number, token: string): void {
    this.#write(now, { type: "renew", token }, { kind: "renewal" });
  }

  /** The user is typing. */
  typing(room: string): void {
    this.#typing = room;
  }

  /** Does what is due, and gives all that the owner of the socket is to do. */
  step(now: number): Action[] {
    this.#check(now);
    if (this.#welcomed) this.#pump(now);
    return this.#actions.splice(0);
  }

  /** The last receipts, before the client parts on its own account. */
  farewell(now: number): Action[] {
    for (let mark; this.#welcomed && (mark = this.#lasting.marks.next(true)); ) {
      this.#write(now, { type: "receipt", ...mark }, { kind: "mark", room: mark.room });
    }
    return this.#actions.splice(0);
  }

  /** The time at which a step is due even if nothing happens. */
  alarm(now: number): number {
    const times = [this.#heard + (this.#pinged ? DEAD : QUIET), this.#lasting.queue.deadline()];
    for (const { since, what } of this.#awaited.values()) {
      times.push(what.kind === "question" ? what.question.deadline : since + UNANSWERED);
    }
    times.push(...[this.#messageAt, this.#pageAt, now + this.#pace.wait(now)].filter((at) => at > now));
    return Math.min(...times);
  }

  /** Leaves what lasts ready for the next connection. */
  lost(): void {
    const { positions, marks, queue } = this.#lasting;
    positions.disconnected();
    marks.disconnected();
    const unanswered = [];
    for (const { what } of this.#awaited.values()) if (what.kind === "question") unanswered.push(what.question);
    queue.questions.unshift(...unanswered.filter(mayRepeat));
    for (const question of unanswered) if (!mayRepeat(question)) leaveUnanswered(question);
  }

  #emit = (emit: ClientEvent): void => {
    if (emit.type === "reset") this.#lasting.marks.forget(emit.room);
    this.#actions.push({ emit });
  };

  #notify(notice: Notice | undefined): void {
    if (notice) this.#emit(notice);
  }

  #end(end: End): void {
    this.#actions.push({ end });
  }

  #write(now: number, command: Command, what: Awaited): void {
    const id = ++this.#lastId;
    this.#awaited.set(id, { since: now, what });
    this.#actions.push({ write: { id, ...command } });
  }

  #isAwaited(kind: Awaited["kind"]): boolean {
    return [...this.#awaited.values()].some(({ what }) => what.kind === kind);
  }

  /** Looks after what did not happen in time. */
  #check(now: number): void {
    this.#lasting.queue.expire(now);
    let dead = now >= this.#heard + DEAD;
    for (const [id, { since, what }] of this.#awaited) {
      if (what.kind !== "question") dead ||= since + UNANSWERED <= now;
      else if (what.question.deadline <= now) {
        this.#awaited.delete(id);
        timeOut(what.question);
      }
    }
    if (dead) this.#end(lost("no sign of life from the server"));
    else if (now >= this.#heard + QUIET && !this.#pinged) {
      this.#pinged = true;
      this.#write(now, { type: "ping" }, { kind: "other" });
    }
  }

  /** Sends what is due, the most urgent first, as far as the pace allows. */
  #pump(now: number): void {
    for (let due; this.#pace.wait(now) === 0 && (due = this.#due(now)); ) {
      this.#pace.spend(now);
      this.#write(now, ...due);
    }
  }

  #due(now: number): [Command, Awaited] | undefined {
    const { queue, marks, typed, positions } = this.#lasting;
    const message = queue.messages[0];
    if (message && now >= this.#messageAt && !this.#isAwaited("message")) {
      return [message.command, { kind: "message" }];
    }
    const question = queue.questions.shift();
    if (question) return [question.command, { kind: "question", question }];
    const mark = marks.next();
    if (mark) return [{ type: "receipt", ...mark }, { kind: "mark", room: mark.room }];
    const room = this.#typing;
    this.#typing = undefined;
    if (room !== undefined && now >= (typed.get(room) ?? -Infinity) + TYPING) {
      typed.set(room, now);
      return [{ type: "typing", room }, { kind: "other" }];
    }
    const listing = this.#listing;
    this.#listing = undefined;
    if (listing) return [listing, { kind: "listing" }];
    if (now >= this.#pageAt && !this.#isAwaited("page")) {
      const behind = positions.behind(this.#emit);
      if (behind) {
        const { room, after } = behind;
        return [{ type: "history", room, page: { after }, limit: PAGE }, { kind: "page", room }];
      }
    }
    return undefined;
  }

  #event(event: Event): void {
    const { positions, renewable } = this.#lasting;
    switch (event.type) {
      case "entry":
        if (positions.entry(event)) this.#emit(event);
        return;
      case "gap":
        return this.#notify(positions.gap(event.room, event.epoch, event.to, event.reason));
      case "resumed":
        return this.#notify(positions.resumed(event.room, event.cursor));
      case "expiring":
        if (renewable) this.#actions.push({ renew: true });
        else this.#emit(event);
        return;
      case "closed":
        positions.forget(event.room);
        return this.#emit(event);
      case "room":
        if (event.why === "added") this.#notify(positions.learn(event.room, true));
        else if (event.why === "removed") positions.removed(event.room);
        return this.#emit(event);
      case "me":
      case "receipt":
      case "typing":
      case "presence":
      case "announcement":
        return this.#emit(event);
      default:
        // A newer server may send more; an event that this version knows has a case of its own.
        event satisfies never;
    }
  }

  #answer(now: number, answer: Answer): void {
    const found = this.#awaited.get(answer.id ?? 0);
    if (!found) return;
    this.#awaited.delete(answer.id ?? 0);
    const { what } = found;
    const { queue, positions, marks, backoff, renewable } = this.#lasting;
    const answered: Answered = answer.type === "reply" ? answer : { error: answer.error };
    const result = "result" in answered ? answered.result : undefined;
    switch (what.kind) {
      case "hello":
        if ("error" in answered) return this.#end(refused(answered.error, renewable));
        if (result?.kind !== "welcome") return this.#end(lost("no welcome"));
        this.#welcomed = true;
        positions.me = result.user;
        this.#listing = { type: "rooms", limit: PAGE };
        backoff.reset();
        return this.#emit({ type: "connected", user: result.user, session: result.session });
      case "listing": {
        if (result?.kind !== "rooms") return this.#end(lost("the rooms were not listed"));
        const { rooms, more } = result;
        for (const room of rooms) this.#notify(positions.learn(room));
        const last = rooms.at(-1);
        if (more && last) this.#listing = { type: "rooms", after: last.id, limit: PAGE };
        else positions.allListed();
        return this.#emit({ type: "listed", rooms, more });
      }
      case "page": {
        const { room } = what;
        if (result?.kind !== "history") {
          if ("error" in answered && answered.error.code === 200) positions.forget(room);
          else this.#pageAt = now + RETRY;
          return;
        }
        const { notice, entries } = positions.page(room, result);
        this.#notify(notice);
        // The history does not show yet what was announced.
        if (entries.length === 0) this.#pageAt = now + RETRY;
        for (const entry of entries) this.#emit({ type: "entry", ...entry });
        return;
      }
      case "message": {
        const wait = queue.answer(answered);
        if (wait !== undefined) this.#messageAt = now + wait;
        return;
      }
      case "mark":
        return marks.answered(what.room);
      case "question":
        if (result?.kind === "room") this.#notify(positions.learn(result.room, true));
        settle(what.question, answered);
    }
  }
}
