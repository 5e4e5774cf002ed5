import type { Chat } from "@chat-engine/client";
import { useEffect, useId, useState } from "preact/hooks";
import { Avatar } from "./avatar.js";
import { peerOf } from "../state/rooms.js";

/** Names that are proposed at once. */
const MOST = 8;

interface Props {
  chat: Chat;
  label: string;
  /** Users that are not proposed. */
  without: readonly string[];
  onPick: (name: string) => void;
  disabled?: boolean;
  /** It has the focus as soon as it is there. */
  first?: boolean;
  /** The proposals lie over what is below, and are there while the field has the focus. */
  over?: boolean;
}

/** The users that this user may want: those who are online, and those of the user's direct rooms. */
function useNames(chat: Chat): readonly string[] {
  const [online, setOnline] = useState<readonly string[]>([]);
  useEffect(() => {
    let current = true;
    // A server may keep the list to itself.
    chat.ask({ type: "online" }).then(({ users }) => current && setOnline(users), () => {});
    return () => void (current = false);
  }, [chat]);
  const known = chat.rooms.flatMap(({ id }) => peerOf(id, chat.user) ?? []);
  return [...new Set([...online, ...known])].filter((name) => name !== chat.user);
}

/** Finds a person by name: proposes those who are known, and takes any other name as well. */
export function FindPerson({ chat, label, without, onPick, disabled = false, first = false, over = false }: Props) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const [looking, setLooking] = useState(false);
  const id = useId();
  const names = useNames(chat).filter((name) => !without.includes(name));
  const text = query.trim().toLocaleLowerCase();
  const found = names.filter((name) => name.toLocaleLowerCase().includes(text)).slice(0, MOST);
  const exact = query.trim();
  const all = over && !looking ? [] : exact === "" || found.includes(exact) || without.includes(exact) ? found : [...found, exact];
  const pick = (name: string | undefined): void => {
    if (name === undefined) return;
    setQuery("");
    setAt(0);
    onPick(name);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) (event.preventDefault(), setAt((at + step + all.length) % Math.max(1, all.length)));
    if (event.key === "Enter" && all.length > 0 && query !== "") {
      event.preventDefault();
      pick(all[Math.min(at, all.length - 1)]);
    }
  };
  return (
    <div class={over ? "find over" : "find"} onFocusIn={() => setLooking(true)} onFocusOut={() => setLooking(false)}>
      <label>
        {label}
        <input
          type="text"
          role="combobox"
          dir="auto"
          autoComplete="off"
          autoFocus={first}
          aria-expanded={all.length > 0}
          aria-controls={id}
          aria-autocomplete="list"
          aria-activedescendant={all[at] === undefined || query === "" ? undefined : `${id}-${at}`}
          maxLength={64}
          value={query}
          disabled={disabled}
          onInput={(event) => (setQuery(event.currentTarget.value), setAt(0))}
          onKeyDown={onKeyDown}
        />
      </label>
      <ul role="listbox" id={id} aria-label={label}>
        {all.map((name, n) => (
          <li
            key={name}
            id={`${id}-${n}`}
            role="option"
            aria-selected={n === at && query !== ""}
            // Before the field loses the focus, and the list with it.
            onPointerDown={(event) => (event.preventDefault(), pick(name))}
          >
            <Avatar name={name} />
            <span dir="auto">{name}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
