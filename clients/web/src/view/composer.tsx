import type { Room } from "@chat-engine/client";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { draft, keepDraft } from "../state/kept.js";
import { Icon } from "./icon.js";

interface Props {
  room: Room;
  me: string;
  name: string;
  /** The reason why the user can't write here; undefined if they can. */
  refusal: string | undefined;
  onSend: (text: string) => void;
  /** The user wants to change the last message. */
  onEditLast: () => void;
}

/** The field in which a message is written. What is begun is kept as a draft until it is sent. */
export function Composer({ room, me, name, refusal, onSend, onEditLast }: Props) {
  const [text, setText] = useState(() => draft(me, room.id));
  const field = useRef<HTMLTextAreaElement>(null);
  const write = (text: string): void => {
    setText(text);
    keepDraft(me, room.id, text);
  };
  // As high as the text, in browsers that don't do that by themselves.
  useLayoutEffect(() => {
    const box = field.current;
    if (!box || CSS.supports("field-sizing", "content")) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);
  useLayoutEffect(() => {
    // On a phone the keyboard would cover the conversation.
    if (!matchMedia("(pointer: coarse)").matches) field.current?.focus();
  }, []);
  const send = (): void => {
    const message = text.trim();
    if (!message) return;
    write("");
    onSend(message);
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const enters = event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches;
    if (enters) (event.preventDefault(), send());
    if (event.key === "ArrowUp" && text === "") (event.preventDefault(), onEditLast());
  };
  if (refusal !== undefined) return <p class="refusal">{refusal}</p>;
  return (
    <form class="composer" onSubmit={(event) => (event.preventDefault(), send())}>
      <textarea
        ref={field}
        dir="auto"
        rows={1}
        aria-label={`Message to ${name}`}
        placeholder={`Message to ${name}`}
        value={text}
        onInput={(event) => {
          write(event.currentTarget.value);
          if (event.currentTarget.value) room.typing();
        }}
        onKeyDown={onKeyDown}
      />
      <button type="submit" class="main round" aria-label="Send" title="Send" disabled={!text.trim()}>
        <Icon name="send" />
      </button>
    </form>
  );
}
