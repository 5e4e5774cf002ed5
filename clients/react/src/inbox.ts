import type { ChatSnapshot, ClientEvent, InboxFilter, InboxSnapshot } from "@chat-engine/client";
import { useEffect } from "react";
import { useChat } from "./chat.js";
import { type Loading, useLatest, useLoading, useStore } from "./store.js";

/** The state of the connection. */
export function useConnectionState(): ChatSnapshot["state"] {
  return useStore(useChat(), ({ state }) => state);
}

/** The number of unread messages in all rooms, as for the title of the page. */
export function useUnread(): number {
  return useStore(useChat(), ({ unread }) => unread);
}

/** Calls with everything that the client reports while the component is there, as for notifications. */
export function useEvents(listener: (event: ClientEvent) => void): void {
  const chat = useChat();
  const latest = useLatest(listener);
  useEffect(() => chat.on((event) => latest.current(event)), [chat, latest]);
}

/** An inbox, and what loads more of it. */
export interface InboxView extends InboxSnapshot, Loading {}

/** The rooms in the order of their newest messages: all but the hidden ones, or those that `filter` names. */
export function useInbox(filter: InboxFilter = "all"): InboxView {
  const chat = useChat();
  const inbox = chat.inbox.only(filter);
  const snapshot = useStore(inbox, (snapshot) => snapshot);
  const { loadMore, error } = useLoading(inbox, () => inbox.more());
  const state = useConnectionState();
  // What found no connection is asked for again with the next one.
  useEffect(() => {
    const { rooms, more } = inbox.getSnapshot();
    if (rooms.length === 0 && more) loadMore();
  }, [inbox, loadMore, state]);
  return { ...snapshot, loadMore, error };
}
