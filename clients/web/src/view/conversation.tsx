import type { Chat, Message, Room, RoomSnapshot } from "@chat-engine/client";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { enter } from "../state/rooms.js";
import { Avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { Confirm } from "./dialog.js";
import { Icon, IconButton } from "./icon.js";
import { type Acts, EventRow, MessageRow } from "./message.js";
import { Rows } from "./rows.js";
import { type Row, rowsOf } from "./rowsOf.js";
import { sentence, useAttention, useStore } from "./use.js";
import { brief } from "./time.js";

/** Messages that are read at once when the user scrolls up. */
const PAGE = 200;

interface Props {
  chat: Chat;
  id: string;
  /** Leads back to the inbox, where the conversation has the whole screen. */
  onBack?: () => void;
  onDetails?: () => void;
  details?: boolean;
}

/** A conversation, as soon as it is there. */
export function Conversation(props: Props) {
  const { chat, id } = props;
  const { state } = useStore(chat);
  const [room, setRoom] = useState<Room>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    let current = true;
    if (room?.id === id || state !== "live") return;
    setError(undefined);
    enter(chat, id).then(
      (room) => current && setRoom(room),
      (error: Error) => current && setError(sentence(error.message)),
    );
    return () => void (current = false);
  }, [chat, id, state]);
  if (room?.id === id) return <Opened key={id} {...props} room={room} />;
  return (
    <section class="conversation" aria-label="Conversation" aria-busy={error === undefined}>
      <header class="bar">{props.onBack && <IconButton icon="back" label="Back to the inbox" class="back" onClick={props.onBack} />}</header>
      {error === undefined ? (
        <div class="waiting" aria-hidden="true" />
      ) : (
        <div class="empty" role="alert">
          <Icon name="warning" />
          <p>{error}</p>
        </div>
      )}
    </section>
  );
}

function Opened({ chat, room, onBack, onDetails, details }: Props & { room: Room }) {
  const me = chat.user ?? "";
  const now = useStore(room);
  const { messages, events, members, older, closed, name } = now;
  const attentive = useAttention();
  const [atEnd, setAtEnd] = useState(true);
  const [leftAt, setLeftAt] = useState(0);
  const section = useRef<HTMLElement>(null);
  const [toEnd, setToEnd] = useState(0);
  const [editing, setEditing] = useState<number>();
  const [removing, setRemoving] = useState<Message>();
  const [readBefore] = useState(() => firstUnread(chat, room));
  const loading = useRef(false);

  const newest = messages.findLast(({ seq }) => seq !== undefined)?.seq;
  useEffect(() => {
    if (attentive && atEnd && newest !== undefined && !closed) room.markRead();
  }, [attentive, atEnd, newest, closed]);

  const rows = useMemo(() => rowsOf(messages, events, members, me, older, readBefore), [messages, events, members, older]);
  const loadOlder = (): void => {
    if (!older || loading.current) return;
    loading.current = true;
    room.more(PAGE).catch(() => {}).finally(() => (loading.current = false));
  };
  const acts: Acts = {
    edit: (seq, text) => void room.edit(seq, text).catch(() => {}),
    remove: setRemoving,
    retry: (message) => void room.retry(message).catch(() => {}),
    discard: (message) => room.discard(message),
  };
  const peer = now.info.kind === "group" || now.info.kind === "channel" ? undefined : members.find(({ user }) => user !== me);
  const moderates = now.me.role === "moderator" || now.me.role === "owner";
  const unseen = atEnd ? 0 : messages.filter(({ seq = 0, author }) => seq > leftAt && author !== me).length;
  useEffect(() => {
    // Where the keyboard is on the screen, the field would bring it; what is new has the focus all the same.
    if (!section.current?.contains(focused(section.current))) section.current?.querySelector("h1")?.focus();
  }, []);
  const edit = (seq: number | undefined): void => {
    setEditing(seq);
    if (seq === undefined) section.current?.querySelector<HTMLElement>(".composer textarea")?.focus();
  };

  const draw = (row: Row) => {
    if (row.kind === "event") return <EventRow row={row} />;
    if (row.kind !== "message") return row.kind === "older" ? <Older /> : <Beginning now={now} />;
    const { seq } = row.message;
    return (
      <MessageRow
        row={row}
        me={me}
        moderates={moderates && peer === undefined}
        editing={editing !== undefined && editing === seq}
        onEdit={(message) => edit(message?.seq)}
        acts={acts}
      />
    );
  };
  const editLast = (): void => {
    const last = messages.findLast(({ author, deleted, seq }) => author === me && !deleted && seq !== undefined);
    edit(last?.seq);
  };
  return (
    <section class="conversation" ref={section} aria-label={`Conversation: ${name}`}>
      <header class="bar">
        {onBack && <IconButton icon="back" label="Back to the inbox" class="back" onClick={onBack} />}
        <Avatar name={name} group={peer === undefined} online={peer?.online} />
        <div class="grow">
          <h1 dir="auto" tabIndex={-1}>
            {name}
          </h1>
          <small dir="auto">{about(now, peer)}</small>
        </div>
        {onDetails && (
          <IconButton
            icon={peer === undefined ? "people" : "info"}
            label="Details"
            expanded={details ?? false}
            onClick={onDetails}
          />
        )}
      </header>
      <div class="messages">
        <Rows
          rows={rows}
          keyOf={(row) => row.key}
          guess={(row) => (row.kind === "message" ? (row.first ? 52 : 28) + 22 * Math.floor(row.message.text.length / 90) : row.kind === "event" ? 30 : 120)}
          draw={draw}
          label={`Messages with ${name}`}
          onStart={loadOlder}
          onEnd={(atEnd) => {
            setAtEnd(atEnd);
            setLeftAt(newest ?? 0);
          }}
          toEnd={toEnd}
        />
        {!atEnd && (
          <button type="button" class="jump" onClick={() => setToEnd(toEnd + 1)}>
            <Icon name="down" />
            {unseen > 0 ? (unseen === 1 ? "1 new message" : `${unseen} new messages`) : "Newest messages"}
          </button>
        )}
      </div>
      <Typing users={now.typing} />
      <News room={room} me={me} />
      <Composer
        room={room}
        me={me}
        name={name}
        refusal={refusal(now)}
        onSend={(text) => {
          room.send(text).catch(() => {});
          setToEnd(toEnd + 1);
        }}
        onEditLast={editLast}
      />
      {removing && (
        <Confirm
          title="Delete this message?"
          text="It is deleted for everybody, and can't be brought back."
          verb="Delete"
          act={() => room.delete(removing.seq ?? 0)}
          onClose={() => setRemoving(undefined)}
        />
      )}
    </section>
  );
}

/** The element that has the focus, in the page or in the widget. */
function focused(within: Node): Element | null {
  return (within.getRootNode() as Document | ShadowRoot).activeElement;
}

/** The number up to which the user had read when the conversation was opened; none if there is nothing new. */
function firstUnread(chat: Chat, room: Room): number {
  const listed = chat.rooms.find(({ id }) => id === room.id);
  return listed && listed.unread > 0 ? listed.read : Infinity;
}

/** The text below the name. */
function about(now: RoomSnapshot, peer: RoomSnapshot["members"][number] | undefined): string {
  if (now.closed) return "You are no longer a member";
  if (peer) {
    if (peer.online) return "Online";
    return peer.last_seen === undefined ? "Offline" : `Last seen ${brief(peer.last_seen)}`;
  }
  const { members = 1, topic } = now.info;
  return `${members === 1 ? "1 member" : `${members} members`}${topic ? ` · ${topic}` : ""}`;
}

/** The reason why the user can't write here; undefined if they can. */
function refusal({ closed, info, me }: RoomSnapshot): string | undefined {
  if (closed) return "You are no longer a member of this conversation.";
  if (info.archived) return "This conversation is archived: it can be read only.";
  if (me.role === "reader") return "You can read here, and not write.";
  const moderates = me.role === "moderator" || me.role === "owner";
  if (info.settings?.post === "moderators" && !moderates) return "Only moderators write here.";
  return undefined;
}

function Older() {
  return <div class="older">Loading older messages…</div>;
}

function Beginning({ now: { name, info } }: { now: RoomSnapshot }) {
  const group = info.kind === "group" || info.kind === "channel";
  return (
    <div class="beginning">
      <Avatar name={name} group={group} />
      <h2 dir="auto">{name}</h2>
      <p>
        {group ? (
          "This is the beginning of what you can read here."
        ) : (
          <>
            This is the beginning of your conversation with <b dir="auto">{name}</b>.
          </>
        )}
      </p>
    </div>
  );
}

/** The users who are typing, in a line that is always there. */
function Typing({ users }: { users: readonly string[] }) {
  const [first, second] = users;
  const text =
    users.length === 0
      ? ""
      : users.length === 1
        ? `${first} is typing…`
        : users.length === 2
          ? `${first} and ${second} are typing…`
          : "Several people are typing…";
  return (
    <div class="typing" dir="auto">
      {text}
    </div>
  );
}

/** Says new messages of others to those who don't see them. */
function News({ room, me }: { room: Room; me: string }) {
  const [news, setNews] = useState("");
  useEffect(() => {
    const changes = room[Symbol.asyncIterator]();
    void (async () => {
      for await (const change of changes) {
        if (change.type !== "entry" || change.author === me) continue;
        if (change.body.kind === "message") setNews(`${change.author}: ${change.body.text}`);
      }
    })();
    return () => void changes.return();
  }, [room]);
  return (
    <div class="sr" role="status" aria-live="polite">
      {news}
    </div>
  );
}
