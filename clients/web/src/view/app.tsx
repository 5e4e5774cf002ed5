import type { Chat } from "@chat-engine/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { notifyOf } from "../state/notify.js";
import { invitation, keepInvitation } from "../state/invitation.js";
import { go, place } from "../state/place.js";
import { isQuiet } from "../state/rooms.js";
import { session } from "../state/session.js";
import { Banner } from "./banner.js";
import { Conversation } from "./conversation.js";
import { Details } from "./details.js";
import { Icon } from "./icon.js";
import { InboxPane } from "./inbox.js";
import { Login } from "./login.js";
import { Invitation } from "./start.js";
import { useStore } from "./use.js";

/** The whole page. */
export function App() {
  const chat = session.value;
  if (!chat) return <Login />;
  return (
    <>
      <Desk key={chat} chat={chat} />
      {invitation.value && <Invitation chat={chat} token={invitation.value} onClose={() => keepInvitation(null)} />}
    </>
  );
}

/** The inbox, the conversation, and what there is to know of it. */
function Desk({ chat }: { chat: Chat }) {
  const [details, setDetails] = useState(false);
  const { user } = useStore(chat);
  const { rooms } = useStore(chat.inbox);
  const room = place.value;
  const unread = rooms.reduce((sum, room) => sum + (isQuiet(room) ? 0 : room.unread), 0);
  const name = rooms.find(({ id }) => id === room)?.name;
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${name ?? "Chat"}`;
    return () => void (document.title = "Chat");
  }, [unread, name]);
  useEffect(() => notifyOf(chat), [chat]);
  useEffect(() => setDetails(false), [room]);
  useEffect(() => {
    // In the inbox they are where the user can see them.
    for (const { id, last, delivered } of rooms) {
      if (last && last.author !== user && last.seq > delivered) chat.mark(id, "delivered", last.seq);
    }
  }, [rooms]);
  const desk = useRef<HTMLDivElement>(null);
  /** Closes the details, which have the focus, and gives it back to the button that opened them. */
  const closeDetails = (): void => {
    setDetails(false);
    desk.current?.querySelector<HTMLElement>("main [aria-expanded]")?.focus();
  };
  const back = (): void => {
    const link = desk.current?.querySelector<HTMLElement>(".places [aria-current]");
    go();
    setTimeout(() => link?.focus());
  };
  return (
    <div
      ref={desk}
      class={`desk ${room === undefined ? "at-inbox" : "at-room"} ${details ? "with-details" : ""}`}
    >
      <Banner chat={chat} />
      <InboxPane chat={chat} />
      <main>
        {room === undefined || user === undefined ? (
          <div class="empty nothing">
            <Icon name="send" />
            <p>{user === undefined ? "Connecting…" : "Choose a conversation, or begin a new one."}</p>
          </div>
        ) : (
          <Conversation
            chat={chat}
            id={room}
            onBack={back}
            onDetails={() => setDetails(!details)}
            details={details}
          />
        )}
      </main>
      {details && room !== undefined && <Details chat={chat} id={room} onClose={closeDetails} />}
    </div>
  );
}
