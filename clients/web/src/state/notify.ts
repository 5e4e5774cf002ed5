import type { Chat, ClientEvent } from "@chat-engine/client";
import { signal } from "@preact/signals";
import { go, place } from "./place.js";
import { isQuiet } from "./rooms.js";

const KEY = "chat.notify";

/** True if the browser has notifications. */
export const canNotify = "Notification" in globalThis;

/** True if the user wants them, and the browser shows them. */
export const notifying = signal(
  canNotify && Notification.permission === "granted" && localStorage.getItem(KEY) !== "off",
);

/** Turns notifications on, for which the browser asks the user once, or off. */
export async function askToNotify(): Promise<void> {
  const on = !notifying.value && (await Notification.requestPermission()) === "granted";
  localStorage.setItem(KEY, on ? "on" : "off");
  notifying.value = on;
}

/** Notifies of messages that the user does not see; the result ends that. */
export function notifyOf(chat: Chat): () => void {
  return chat.on((event) => {
    if (notifying.value && event.type === "entry" && event.author !== chat.user) notify(chat, event);
  });
}

function notify(chat: Chat, { room: id, author, body, at }: ClientEvent & { readonly type: "entry" }): void {
  const seen = document.visibilityState === "visible" && document.hasFocus() && place.value === id;
  const room = chat.inbox.rooms.find((room) => room.id === id);
  // Messages of before the connection was back are in the inbox, and no news.
  const old = Date.now() - Date.parse(at) > 60_000;
  // A room that has just come in is not in the inbox yet.
  const quiet = room !== undefined && (isQuiet(room) || room.me.notify === "mentions");
  if (body.kind !== "message" || seen || old || quiet) return;
  const title = room === undefined || room.peer !== undefined ? author : `${author} in ${room.name}`;
  const notification = new Notification(title, { body: body.text.slice(0, 300), tag: id, icon: "app/icon.svg" });
  notification.onclick = () => {
    focus();
    go(id);
    notification.close();
  };
}
