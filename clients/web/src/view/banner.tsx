import type { Chat } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { useStore } from "./use.js";

/** Milliseconds without a connection that are not worth a word. */
const PATIENCE = 1_500;

/** Says that there is no connection, and what the server says to everybody. */
export function Banner({ chat }: { chat: Chat }) {
  const { state } = useStore(chat);
  const [late, setLate] = useState(false);
  const [said, setSaid] = useState<string>();
  const live = state === "live";
  useEffect(() => {
    setLate(false);
    if (live) return;
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [live]);
  useEffect(() => chat.on((event) => event.type === "announcement" && setSaid(event.text)), [chat]);
  return (
    <div class="banner" role="status">
      {late && !live && (
        <p>
          {navigator.onLine ? "The server can't be reached. " : "You are offline. "}
          What you write is sent as soon as there is a connection.
        </p>
      )}
      {said !== undefined && (
        <p class="said">
          <span dir="auto">{said}</span>
          <button type="button" class="link" onClick={() => setSaid(undefined)}>
            Close
          </button>
        </p>
      )}
    </div>
  );
}
