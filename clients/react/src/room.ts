import type { ChatError, Chat, Message, Me, Person, Room, RoomInfo } from "@chat-engine/client";
import { useCallback, useEffect, useState } from "react";
import { useChat } from "./chat.js";
import { useConnectionState } from "./inbox.js";
import { type Loading, useLatest, useLoading, useStore } from "./store.js";

/** A room that is being entered. */
export interface Entered {
  /** The room, once its newest messages are there. */
  readonly room: Room | undefined;
  /** The reason why it could not be entered; `retry` tries again. Without a connection that happens by itself. */
  readonly error: ChatError | undefined;
  readonly retry: () => void;
}

/** Enters the room with this id; none while `id` is `undefined`. */
export function useRoom(id: string | undefined): Entered {
  return useEntered(id, id, (chat, id) => chat.room(id));
}

/** Opens the direct room with a user; none while `user` is `undefined`. */
export function useDirect(user: string | undefined): Entered {
  const chat = useChat();
  const me = useStore(chat, ({ user }) => user);
  const id = user === undefined || me === undefined ? undefined : [me, user].sort().join(",");
  return useEntered(user, id, (chat, user) => chat.open(user));
}

function useEntered(
  of: string | undefined,
  id: string | undefined,
  enter: (chat: Chat, of: string) => Promise<Room>,
): Entered {
  const chat = useChat();
  const [outcome, setOutcome] = useState<{ chat: Chat; of: string; room?: Room; error?: ChatError }>();
  const [tries, setTries] = useState(0);
  const retry = useCallback(() => setTries((tries) => tries + 1), []);
  const latest = useLatest(enter);
  useEffect(() => {
    if (of === undefined) return;
    let gone = false;
    latest.current(chat, of).then(
      (room) => gone || setOutcome({ chat, of, room }),
      (error) => gone || setOutcome({ chat, of, error }),
    );
    return () => {
      gone = true;
    };
  }, [chat, of, tries, latest]);
  const { room, error } = outcome?.chat === chat && outcome.of === of ? outcome : {};
  const again = useConnectionState() === "live" && error !== undefined && error.failure !== "refused";
  useEffect(() => {
    if (again) retry();
  }, [again, retry]);
  return { room: room ?? (id === undefined ? undefined : chat.entered(id)), error, retry };
}

/** The description of a room, and the user's own settings for it. */
export interface RoomView {
  readonly name: string | undefined;
  readonly info: RoomInfo | undefined;
  readonly me: Me | undefined;
  /** True if the user is no longer a member. */
  readonly closed: boolean;
}

/** The description of a room, and the user's own settings for it; all hooks below take a room that is not there yet. */
export function useRoomState(room: Room | undefined): RoomView {
  return {
    name: useStore(room, (now) => now?.name),
    info: useStore(room, (now) => now?.info),
    me: useStore(room, (now) => now?.me),
    closed: useStore(room, (now) => now?.closed ?? false),
  };
}

/** The messages of a room, and what loads older ones. */
export interface MessagesView extends Loading {
  readonly messages: readonly Message[];
  /** True if there are messages before the first one: `loadMore` reads them. */
  readonly older: boolean;
}

const NONE: readonly never[] = [];

/** The messages of a room, the oldest first, with those that are on their way at the end. */
export function useMessages(room: Room | undefined): MessagesView {
  const messages = useStore(room, (now) => now?.messages ?? NONE);
  const older = useStore(room, (now) => now?.older ?? false);
  return { messages, older, ...useLoading(room, () => room?.more()) };
}

/** The members of a room, and what loads more of them. */
export interface MembersView extends Loading {
  readonly members: readonly Person[];
  /** True if there are members that were not read, as in a room of more than 100: `loadMore` reads them. */
  readonly more: boolean;
}

/** The members of a room, and whether they are online. */
export function useMembers(room: Room | undefined): MembersView {
  const members = useStore(room, (now) => now?.members ?? NONE);
  const more = useStore(room, (now) => now?.moreMembers ?? false);
  return { members, more, ...useLoading(room, () => room?.readMembers()) };
}

/** The users who are typing in a room. Call `room.typing()` with each key of the user. */
export function useTyping(room: Room | undefined): readonly string[] {
  return useStore(room, (now) => now?.typing ?? NONE);
}

/**
 * Marks everything in a room as read while the page is visible; `seen` is whether the user sees the newest message,
 * as when the list is scrolled to its end.
 */
export function useMarkRead(room: Room | undefined, seen = true): void {
  const messages = useStore(room, (now) => now?.messages);
  useEffect(() => {
    const mark = (): void => {
      if (seen && document.visibilityState === "visible") room?.markRead();
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [room, messages, seen]);
}
