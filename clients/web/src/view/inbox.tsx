import type { Chat, InboxFilter, InboxItem } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { draft } from "../state/kept.js";
import { go, place } from "../state/place.js";
import { direct, isQuiet } from "../state/rooms.js";
import { logout } from "../state/session.js";
import { notifying, askToNotify, canNotify } from "../state/notify.js";
import { nextTheme, theme } from "../state/theme.js";
import { Avatar } from "./avatar.js";
import { Failure } from "./dialog.js";
import { Icon } from "./icon.js";
import { Menu } from "./menu.js";
import { Channels, StartDirect, StartGroup } from "./start.js";
import { brief, fullTime } from "./time.js";
import { useAction, useStore } from "./use.js";

const FILTERS: readonly (readonly [InboxFilter, string])[] = [
  ["all", "All"],
  ["unread", "Unread"],
  ["pinned", "Pinned"],
  ["hidden", "Hidden"],
];

const THEMES = { auto: "Theme: like the device", light: "Theme: light", dark: "Theme: dark" };

type Open = "direct" | "group" | "channels";

/** The user's conversations, and the way to new ones. */
export function InboxPane({ chat }: { chat: Chat }) {
  const [filter, setFilter] = useState<InboxFilter>("all");
  const [query, setQuery] = useState("");
  const [open, setOpen] = useState<Open>();
  const inbox = chat.inbox.only(filter);
  const { rooms, more, loading } = useStore(inbox);
  const { user = "", state } = useStore(chat);
  useEffect(() => {
    if (state === "live" && rooms.length === 0) inbox.more(100).catch(() => {});
  }, [inbox, state]);
  const text = query.trim().toLocaleLowerCase();
  const found = rooms.filter(({ name }) => name.toLocaleLowerCase().includes(text));
  const pinned = filter === "all" ? found.filter(({ me }) => me.pinned) : [];
  const others = found.filter((room) => !pinned.includes(room));
  const close = (): void => setOpen(undefined);
  const write = useAction();
  const writeTo = (name: string): Promise<boolean> =>
    write.run(async () => {
      go(await direct(chat, name));
      setQuery("");
    });
  return (
    <nav class="inbox" aria-label="Conversations">
      <header class="bar">
        <Avatar name={user} online={state === "live"} />
        <div class="grow">
          <h1 dir="auto">{user}</h1>
        </div>
        <Menu
          icon="plus"
          label="New conversation"
          items={[
            ["New message", () => setOpen("direct")],
            ["New group or channel", () => setOpen("group")],
            ["Find a channel", () => setOpen("channels")],
          ]}
        />
        <Menu
          icon="more"
          label="Settings"
          items={[
            [THEMES[theme.value], nextTheme],
            ...(canNotify ? [[notifying.value ? "Notifications: on" : "Notifications: off", askToNotify] as const] : []),
            ["Log out", logout],
          ]}
        />
      </header>
      <div class="finder">
        <Icon name="search" />
        <input
          type="search"
          dir="auto"
          aria-label="Search conversations"
          placeholder="Search"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
      </div>
      <div class="filters" role="group" aria-label="Filter">
        {FILTERS.map(([key, label]) => (
          <button key={key} type="button" aria-pressed={filter === key} onClick={() => setFilter(key)}>
            {label}
          </button>
        ))}
      </div>
      <div class="places">
        {pinned.length > 0 && <List label="Pinned" items={pinned} me={user} />}
        {others.length > 0 && <List label={pinned.length > 0 ? "Others" : "Conversations"} quiet={pinned.length === 0} items={others} me={user} />}
        {more && rooms.length > 0 && (
          <button type="button" class="link" disabled={loading} onClick={() => void inbox.more(100).catch(() => {})}>
            More conversations
          </button>
        )}
        {!loading && !more && found.length === 0 && (
          <div class="empty">
            {text ? (
              <>
                <p>No conversation has this name.</p>
                <button type="button" class="main" disabled={write.busy} onClick={() => void writeTo(query.trim())}>
                  Write to {query.trim()}
                </button>
                <button type="button" onClick={() => setOpen("channels")}>
                  Find a channel
                </button>
                <Failure error={write.error} />
              </>
            ) : filter === "all" ? (
              <>
                <p>You have no conversations yet.</p>
                <button type="button" class="main" onClick={() => setOpen("direct")}>
                  Write to somebody
                </button>
                <button type="button" onClick={() => setOpen("channels")}>
                  Find a channel
                </button>
              </>
            ) : (
              <p>Nothing is {filter} here.</p>
            )}
          </div>
        )}
      </div>
      {open === "direct" && <StartDirect chat={chat} onClose={close} />}
      {open === "group" && <StartGroup chat={chat} onClose={close} />}
      {open === "channels" && <Channels chat={chat} name={query.trim()} onClose={close} />}
    </nav>
  );
}

interface ListProps {
  label: string;
  items: readonly InboxItem[];
  me: string;
  /** The label is not shown. */
  quiet?: boolean;
}

function List({ label, items, me, quiet = false }: ListProps) {
  /** Moves between conversations with the arrow keys. */
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const links = [...(document.querySelectorAll<HTMLElement>(".places a"))];
    const next = links[links.indexOf(event.target as HTMLElement) + step];
    if (next) (event.preventDefault(), next.focus());
  };
  return (
    <>
      <h2 class={quiet ? "sr" : ""}>{label}</h2>
      <ul aria-label={label} onKeyDown={onKeyDown}>
        {items.map((item) => (
          <Item key={item.id} item={item} me={me} />
        ))}
      </ul>
    </>
  );
}

function Item({ item, me }: { item: InboxItem; me: string }) {
  const { id, name, unread, presence, peer, last, active_at, me: mine } = item;
  const current = place.value === id;
  const begun = current ? "" : draft(me, id);
  const quiet = isQuiet(item);
  return (
    <li>
      <a
        href={`#/${encodeURIComponent(id)}`}
        class={unread > 0 ? (quiet ? "unread quiet" : "unread") : ""}
        aria-current={current ? "page" : undefined}
        onClick={(event) => {
          event.preventDefault();
          go(id);
        }}
      >
        <Avatar name={name} group={peer === undefined} online={presence?.online} />
        <span class="grow">
          <span class="top">
            <span class="name" dir="auto">
              {name}
            </span>
            {quiet && <Icon name="quiet" />}
            {mine.pinned && <Icon name="pin" />}
            <time dateTime={active_at} title={fullTime(active_at)}>
              {brief(active_at)}
            </time>
          </span>
          <span class="bottom">
            <span class="preview" dir="auto">
              {begun ? (
                <>
                  <i>Draft:</i> {begun}
                </>
              ) : (
                preview(item, last, me)
              )}
            </span>
            {unread > 0 && (
              <span class="badge">
                {unread > 99 ? "99+" : unread}
                <span class="sr"> unread</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
}

/** The newest message in a few words. */
function preview({ peer, room }: InboxItem, last: InboxItem["last"], me: string): string {
  if (!last) return room.topic || "No messages yet";
  const who = last.author === me ? "You: " : peer === undefined ? `${last.author}: ` : "";
  return who + (last.body.kind === "message" ? last.body.text.slice(0, 200) : "Message deleted");
}
