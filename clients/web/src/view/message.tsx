import { ChatError, ErrorCode, type Message } from "@chat-engine/client";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Avatar } from "./avatar.js";
import { Icon, IconButton, type IconName } from "./icon.js";
import type { Fate, Row } from "./rowsOf.js";
import { Text } from "./text.js";
import { dayName, fullTime, timeOf } from "./time.js";

const FATES: Record<Fate, readonly [IconName, string]> = {
  sending: ["clock", "Sending"],
  failed: ["warning", "Not sent"],
  sent: ["check", "Sent"],
  delivered: ["checks", "Delivered"],
  read: ["checks", "Read"],
};

/** The acts on a message. */
export interface Acts {
  edit: (seq: number, text: string) => void;
  remove: (message: Message) => void;
  retry: (message: Message) => void;
  discard: (message: Message) => void;
}

interface Props {
  row: Row & { kind: "message" };
  me: string;
  /** True if the user may delete messages of others. */
  moderates: boolean;
  editing: boolean;
  onEdit: (message: Message | undefined) => void;
  acts: Acts;
}

/** The reason why a message was not stored, in words for people. */
function why(error: ChatError | undefined): string {
  if (error?.code === ErrorCode.rate_limited || error?.code === ErrorCode.muted) {
    const wait = error.retryAfter === undefined ? "" : ` for ${Math.ceil(error.retryAfter / 1000)} s`;
    return error.code === ErrorCode.muted ? `You are muted${wait}.` : `Too many messages. Wait${wait}.`;
  }
  return error?.message ?? "The server did not take it.";
}

/** The line above the first message of a day. */
function Day({ at }: { at: string }) {
  return (
    <div class="line day">
      <span>{dayName(at)}</span>
    </div>
  );
}

/** Something that happened among the messages. */
export function EventRow({ row }: { row: Row & { kind: "event" } }) {
  return (
    <>
      {row.day !== undefined && <Day at={row.day} />}
      <p class="event">
        <bdi>{row.text}</bdi>
      </p>
    </>
  );
}

/** One message, and the lines above it. */
export function MessageRow({ row, me, moderates, editing, onEdit, acts }: Props) {
  const { message, first, fate, readers } = row;
  const { author, text, seq, at, deleted, status } = message;
  const mine = author === me;
  const changeable = seq !== undefined && !deleted && status === "sent";
  return (
    <>
      {row.day && <Day at={at ?? new Date().toISOString()} />}
      {row.fresh && (
        <div class="line fresh">
          <span>New</span>
        </div>
      )}
      <div class={`message ${first ? "first" : ""} ${status} ${editing ? "editing" : ""}`}>
        <div class="side">
          {first ? <Avatar name={author} /> : at && <time dateTime={at}>{timeOf(at)}</time>}
        </div>
        <div class="body">
          {first ? (
            <div class="head">
              <b dir="auto">{author}</b>
              {at && (
                <time dateTime={at} title={fullTime(at)}>
                  {timeOf(at)}
                </time>
              )}
            </div>
          ) : (
            <span class="sr">{author}: </span>
          )}
          {editing && seq !== undefined ? (
            <Edit text={text} onDone={(text) => (text !== undefined && acts.edit(seq, text), onEdit(undefined))} />
          ) : (
            <div class={deleted ? "text gone" : "text"} dir="auto">
              {deleted ? "This message was deleted." : <Text text={text} />}
              {message.editedAt && <small title={fullTime(message.editedAt)}> (edited)</small>}
            </div>
          )}
          {status === "failed" && (
            <div class="failure">
              <Icon name="warning" />
              <span>{why(message.error)}</span>
              <button type="button" class="link" onClick={() => acts.retry(message)}>
                Try again
              </button>
              <button type="button" class="link" onClick={() => acts.discard(message)}>
                Discard
              </button>
            </div>
          )}
          {readers.length > 0 && (
            <div class="readers" title={`Read by ${readers.join(", ")}`}>
              <span class="sr">Read by {readers.join(", ")}</span>
              {readers.slice(0, 5).map((name) => (
                <Avatar key={name} name={name} />
              ))}
              {readers.length > 5 && <span aria-hidden="true">+{readers.length - 5}</span>}
            </div>
          )}
        </div>
        {fate && fate !== "failed" && (
          <span class={`fate ${fate}`} title={FATES[fate][1]}>
            <Icon name={FATES[fate][0]} />
            <span class="sr">{FATES[fate][1]}</span>
          </span>
        )}
        {changeable && !editing && (
          <div class="acts" role="group" aria-label="Actions">
            <IconButton icon="copy" label="Copy text" onClick={() => void navigator.clipboard?.writeText(text)} />
            {mine && <IconButton icon="edit" label="Edit" onClick={() => onEdit(message)} />}
            {(mine || moderates) && <IconButton icon="trash" label="Delete" onClick={() => acts.remove(message)} />}
          </div>
        )}
      </div>
    </>
  );
}

function Edit({ text, onDone }: { text: string; onDone: (text?: string) => void }) {
  const [now, setNow] = useState(text);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
  }, []);
  const save = (): void => onDone(now.trim() === "" || now === text ? undefined : now.trim());
  return (
    <form class="edit" onSubmit={(event) => (event.preventDefault(), save())}>
      <textarea
        ref={field}
        dir="auto"
        rows={1}
        aria-label="Edit message"
        value={now}
        onInput={(event) => setNow(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") onDone();
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) (event.preventDefault(), save());
        }}
      />
      <div class="buttons">
        <button type="button" onClick={() => onDone()}>
          Cancel
        </button>
        <button type="submit" class="main">
          Save
        </button>
      </div>
    </form>
  );
}
