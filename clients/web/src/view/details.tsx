import type { Chat, Notify, Room, RoomSnapshot } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { go } from "../state/place.js";
import { Avatar } from "./avatar.js";
import { Confirm, Failure } from "./dialog.js";
import { IconButton } from "./icon.js";
import { Invitations } from "./invitations.js";
import { Members } from "./members.js";
import { RoomForm } from "./roomForm.js";
import { type Action, useAction, useStore } from "./use.js";

interface Props {
  chat: Chat;
  id: string;
  onClose: () => void;
}

/** The details and settings of a conversation. They are there once the conversation is. */
export function Details({ chat, id, onClose }: Props) {
  const [room, setRoom] = useState<Room>();
  const { error, run } = useAction();
  useEffect(() => {
    let current = true;
    void run(async () => {
      const room = await chat.room(id);
      if (current) setRoom(room);
    });
    return () => void (current = false);
  }, [chat, id]);
  return (
    <aside
      class="details"
      aria-label="Details"
      onKeyDown={(event) => {
        const inside = (event.target as Element).closest("dialog, .menu");
        if (event.key === "Escape" && !inside) onClose();
      }}
    >
      <header class="bar">
        <h2 class="grow">Details</h2>
        <IconButton icon="close" label="Close details" onClick={onClose} />
      </header>
      <Failure error={error} />
      {room?.id === id && <Known key={id} chat={chat} room={room} />}
    </aside>
  );
}

function Known({ chat, room }: { chat: Chat; room: Room }) {
  const now = useStore(room);
  const { name, info, me, members } = now;
  const user = chat.user ?? "";
  const action = useAction();
  const peer = info.kind === "group" || info.kind === "channel" ? undefined : members.find((one) => one.user !== user)?.user;
  const moderates = me.role === "moderator" || me.role === "owner";
  const adds = me.role !== "reader" && (moderates || info.settings?.add !== "moderators");
  return (
    <div class="sections">
      <section class="who">
        <Avatar name={name} group={peer === undefined} />
        <h3 dir="auto">{name}</h3>
        {info.topic && <p dir="auto">{info.topic}</p>}
      </section>
      <Mine room={room} now={now} action={action} />
      <Failure error={action.error} />
      {peer !== undefined && <Block chat={chat} peer={peer} />}
      {peer === undefined && !now.closed && (
        <>
          <Members chat={chat} room={room} now={now} adds={adds} moderates={moderates} />
          {adds && <Invitations room={room} moderates={moderates} />}
          {me.role === "owner" && <RoomForm room={room} info={info} />}
          <Leave room={room} name={name} />
        </>
      )}
    </div>
  );
}

const NOTIFY: readonly (readonly [Notify, string])[] = [
  ["all", "Every message"],
  ["mentions", "Mentions only"],
  ["none", "Nothing"],
];

/** The user's own settings for the conversation, on all devices. */
function Mine({ room, now: { me }, action: { run, busy } }: { room: Room; now: RoomSnapshot; action: Action }) {
  return (
    <section aria-label="For you">
      <label class="switch">
        <span>Pinned to the top</span>
        <input
          type="checkbox"
          role="switch"
          checked={me.pinned}
          disabled={busy}
          onChange={() => void run(() => room.set({ pinned: !me.pinned }))}
        />
      </label>
      <label class="switch">
        <span>Hidden until the next message</span>
        <input
          type="checkbox"
          role="switch"
          checked={me.hidden}
          disabled={busy}
          onChange={() => void run(() => room.set({ hidden: !me.hidden }))}
        />
      </label>
      <label class="switch">
        <span>Notify of</span>
        <select
          value={me.notify}
          disabled={busy}
          onChange={(event) => {
            const notify = event.currentTarget.value as Notify;
            void run(() => room.set({ notify }));
          }}
        >
          {NOTIFY.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}

/** The button that blocks the other user, who is not told, or lifts the block. */
function Block({ chat, peer }: { chat: Chat; peer: string }) {
  const { busy, error, run } = useAction();
  const [blocked, setBlocked] = useState<boolean>();
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    void run(async () => {
      let after: string | undefined;
      do {
        const { blocks, more } = await chat.blocks({ limit: 200, ...(after !== undefined && { after }) });
        if (blocks.some(({ user }) => user === peer)) return setBlocked(true);
        after = more ? blocks.at(-1)?.user : undefined;
      } while (after !== undefined);
      setBlocked(false);
    });
  }, [chat, peer]);
  const block = async (): Promise<void> => {
    await chat.block(peer);
    setBlocked(true);
  };
  const unblock = async (): Promise<void> => {
    await chat.unblock(peer);
    setBlocked(false);
  };
  return (
    <section>
      <Failure error={error} />
      {blocked === true ? (
        <button type="button" disabled={busy} onClick={() => void run(unblock)}>
          Unblock {peer}
        </button>
      ) : (
        <button type="button" class="danger" disabled={busy || blocked === undefined} onClick={() => setAsking(true)}>
          Block {peer}
        </button>
      )}
      {asking && (
        <Confirm
          title={`Block ${peer}?`}
          text="Neither of you can write to the other then. The other one is not told, and sees you as offline."
          verb="Block"
          act={block}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}

function Leave({ room, name }: { room: Room; name: string }) {
  const [asking, setAsking] = useState(false);
  const leave = async (): Promise<void> => {
    await room.leave();
    go();
  };
  return (
    <section>
      <button type="button" class="danger" onClick={() => setAsking(true)}>
        Leave
      </button>
      {asking && (
        <Confirm
          title={`Leave ${name}?`}
          text="You get no more messages, and can't read it any more."
          verb="Leave"
          act={leave}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}
