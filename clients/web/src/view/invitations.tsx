import type { Invite, Room } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { Failure } from "./dialog.js";
import { useAction } from "./use.js";

/** The link that leads a user into a room. */
function linkOf({ token }: Invite): string {
  return `${location.origin}${location.pathname}#invite=${encodeURIComponent(token)}`;
}

const WEEK = 7 * 24 * 3600;

/** Links that let others in. Moderators see all of them, and take them back. */
export function Invitations({ room, moderates }: { room: Room; moderates: boolean }) {
  const { busy, error, run } = useAction();
  const [all, setAll] = useState<readonly Invite[]>([]);
  const [copied, setCopied] = useState("");
  useEffect(() => {
    if (moderates) void run(async () => setAll((await room.invites({ limit: 200 })).invites));
  }, [room, moderates]);
  const make = (): Promise<boolean> =>
    run(async () => {
      const invite = await room.invite({ ttl: WEEK });
      setAll((all) => [...all, invite]);
    });
  const takeBack = ({ id }: Invite): Promise<boolean> =>
    run(async () => {
      await room.uninvite(id);
      setAll((all) => all.filter((other) => other.id !== id));
    });
  return (
    <section aria-label="Invitations">
      <h3>Invitations</h3>
      <Failure error={error} />
      <ul class="list" aria-label="Invitations">
        {all.map((invite) => (
          <li key={invite.id} class="invite">
            <input type="text" readOnly aria-label="Link of the invitation" value={linkOf(invite)} />
            <button
              type="button"
              onClick={async () => {
                await navigator.clipboard.writeText(linkOf(invite));
                setCopied(invite.id);
              }}
            >
              {copied === invite.id ? "Copied" : "Copy"}
            </button>
            {moderates && (
              <button type="button" disabled={busy} onClick={() => void takeBack(invite)}>
                Take back
              </button>
            )}
          </li>
        ))}
      </ul>
      <button type="button" disabled={busy} onClick={() => void make()}>
        Make a link for a week
      </button>
    </section>
  );
}
