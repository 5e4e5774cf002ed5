import type { Chat, RoomInfo, RoomKind } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { go } from "../state/place.js";
import { direct } from "../state/rooms.js";
import { Avatar } from "./avatar.js";
import { Dialog, Failure } from "./dialog.js";
import { IconButton } from "./icon.js";
import { FindPerson } from "./people.js";
import { useAction } from "./use.js";

interface Props {
  chat: Chat;
  onClose: () => void;
}

/** Begins a conversation with one person. */
export function StartDirect({ chat, onClose }: Props) {
  const { error, run } = useAction();
  const open = (name: string): Promise<boolean> =>
    run(async () => {
      const room = await direct(chat, name);
      onClose();
      go(room);
    });
  return (
    <Dialog title="New message" onClose={onClose}>
      <FindPerson chat={chat} label="To whom?" without={[]} onPick={(name) => void open(name)} first />
      <Failure error={error} />
    </Dialog>
  );
}

/** Makes a group, or a channel. */
export function StartGroup({ chat, onClose }: Props) {
  const { busy, error, run } = useAction();
  const [kind, setKind] = useState<RoomKind>("group");
  const [name, setName] = useState("");
  const [topic, setTopic] = useState("");
  const [members, setMembers] = useState<readonly string[]>([]);
  const make = (): Promise<boolean> =>
    run(async () => {
      const room = await chat.create({ kind, name: name.trim(), ...(topic.trim() && { topic: topic.trim() }), members });
      onClose();
      go(room.id);
    });
  return (
    <Dialog title="New group or channel" onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), void make())}>
        <label>
          Name
          <input
            type="text"
            dir="auto"
            autoFocus
            required
            maxLength={100}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          Topic (optional)
          <input
            type="text"
            dir="auto"
            maxLength={500}
            value={topic}
            onInput={(event) => setTopic(event.currentTarget.value)}
          />
        </label>
        <fieldset>
          <legend>Who can come in?</legend>
          <label class="choice">
            <input type="radio" name="kind" checked={kind === "group"} onChange={() => setKind("group")} />
            <span>
              Group <small>Those who are added or invited</small>
            </span>
          </label>
          <label class="choice">
            <input type="radio" name="kind" checked={kind === "channel"} onChange={() => setKind("channel")} />
            <span>
              Channel <small>Everybody: it stands in the list of channels</small>
            </span>
          </label>
        </fieldset>
        <FindPerson
          chat={chat}
          label="Add people"
          without={members}
          onPick={(name) => setMembers([...members, name])}
        />
        {members.length > 0 && (
          <ul class="chips" aria-label="People to add">
            {members.map((name) => (
              <li key={name}>
                <span dir="auto">{name}</span>
                <IconButton
                  icon="close"
                  label={`Don't add ${name}`}
                  onClick={() => setMembers(members.filter((other) => other !== name))}
                />
              </li>
            ))}
          </ul>
        )}
        <Failure error={error} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={busy}>
            Create
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Finds channels by name, and comes into them. */
export function Channels({ chat, name, onClose }: Props & { name: string }) {
  const { busy, error, run } = useAction();
  const [query, setQuery] = useState(name);
  const [found, setFound] = useState<readonly RoomInfo[]>();
  const [more, setMore] = useState(false);
  useEffect(() => {
    let current = true;
    void run(async () => {
      const page = await chat.directory(query.trim());
      if (current) (setFound(page.rooms), setMore(page.more));
    });
    return () => void (current = false);
  }, [chat, query]);
  const mine = new Set(chat.rooms.map(({ id }) => id));
  const join = (id: string): Promise<boolean> =>
    run(async () => {
      if (!mine.has(id)) await chat.join(id);
      onClose();
      go(id);
    });
  return (
    <Dialog title="Channels" onClose={onClose}>
      <label>
        Search by name
        <input type="search" dir="auto" autoFocus value={query} onInput={(event) => setQuery(event.currentTarget.value)} />
      </label>
      <Failure error={error} />
      {found?.length === 0 && <p class="soft">There is no such channel.</p>}
      <ul class="list" aria-label="Channels">
        {found?.map(({ id, name = "Unnamed", topic, members = 0 }) => (
          <li key={id}>
            <Avatar name={name} group />
            <div class="grow">
              <b dir="auto">{name}</b>
              <small dir="auto">
                {members === 1 ? "1 member" : `${members} members`}
                {topic && ` · ${topic}`}
              </small>
            </div>
            <button type="button" disabled={busy} aria-label={`${mine.has(id) ? "Open" : "Join"} ${name}`} onClick={() => void join(id)}>
              {mine.has(id) ? "Open" : "Join"}
            </button>
          </li>
        ))}
      </ul>
      {more && <p class="soft">There are more: search for a part of the name.</p>}
    </Dialog>
  );
}

/** Comes into a room by an invitation. */
export function Invitation({ chat, token, onClose }: Props & { token: string }) {
  const { busy, error, run } = useAction();
  const accept = (): Promise<boolean> =>
    run(async () => {
      const room = await chat.accept(token);
      onClose();
      go(room.id);
    });
  return (
    <Dialog title="You are invited" onClose={onClose}>
      <p>Somebody invites you into a conversation. Its members will see that you have come.</p>
      <Failure error={error} />
      <div class="buttons">
        <button type="button" onClick={onClose}>
          Not now
        </button>
        <button type="button" class="main" disabled={busy} onClick={() => void accept()}>
          Join
        </button>
      </div>
    </Dialog>
  );
}
