import type { Chat, Person, Role, Room, RoomSnapshot } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { go } from "../state/place.js";
import { direct } from "../state/rooms.js";
import { Avatar } from "./avatar.js";
import { Confirm, Failure } from "./dialog.js";
import { Menu } from "./menu.js";
import { FindPerson } from "./people.js";
import { useAction } from "./use.js";

const ROLES: readonly Role[] = ["owner", "moderator", "member", "reader"];

interface Props {
  chat: Chat;
  room: Room;
  now: RoomSnapshot;
  /** True if the user may add members. */
  adds: boolean;
  moderates: boolean;
}

function rank(role: Role = "member"): number {
  return ROLES.length - ROLES.indexOf(role);
}

/** The members of a room, and what the user may do about each. */
export function Members({ chat, room, now, adds, moderates }: Props) {
  const { busy, error, run } = useAction();
  const [asking, setAsking] = useState<{ user: string; verb: "Remove" | "Ban" }>();
  const { info, me, moreMembers } = now;
  const user = chat.user ?? "";
  const members = [...now.members].sort((a, b) => rank(b.role) - rank(a.role) || a.user.localeCompare(b.user));
  useEffect(() => {
    if (moreMembers && members.length === 0) void run(() => room.readMembers(100));
  }, [moreMembers]);
  const acts = (person: Person): (readonly [string, () => void])[] => {
    const { role = "member" } = person;
    const write = ["Send a message", () => void run(async () => go(await direct(chat, person.user)))] as const;
    // Nobody changes somebody of the same or a higher role, and nobody gives more than they have.
    const may = moderates && rank(role) < rank(me.role);
    const roles = may ? ROLES.filter((other) => other !== role && (me.role === "owner" || rank(other) < rank(me.role))) : [];
    return [
      write,
      ...roles.map((other) => [`Make ${other}`, () => void run(() => room.setRole(person.user, other))] as const),
      ...(may
        ? [
            ["Remove", () => setAsking({ user: person.user, verb: "Remove" })] as const,
            ["Ban", () => setAsking({ user: person.user, verb: "Ban" })] as const,
          ]
        : []),
    ];
  };
  return (
    <section aria-label="Members">
      <h3>{info.members === 1 ? "1 member" : `${info.members ?? members.length} members`}</h3>
      <Failure error={error} />
      {adds && (
        <FindPerson
          chat={chat}
          label="Add somebody"
          without={members.map(({ user }) => user)}
          onPick={(name) => void run(() => room.add(name))}
          disabled={busy}
          over
        />
      )}
      <ul class="list" aria-label="Members">
        {members.map((person) => (
          <li key={person.user}>
            <Avatar name={person.user} online={person.online} />
            <div class="grow">
              <span dir="auto">{person.user}</span>
              {person.user === user && " (you)"}
              {person.role && person.role !== "member" && <small>{person.role}</small>}
            </div>
            {person.user !== user && <Menu icon="more" label={`Actions for ${person.user}`} items={acts(person)} />}
          </li>
        ))}
      </ul>
      {moreMembers && (
        <button type="button" class="link" disabled={busy} onClick={() => void run(() => room.readMembers(100))}>
          More members
        </button>
      )}
      {asking && (
        <Confirm
          title={`${asking.verb} ${asking.user}?`}
          text={
            asking.verb === "Ban"
              ? "Nobody can add or invite this user until the ban is lifted."
              : "This user gets no more messages, unless somebody adds them again."
          }
          verb={asking.verb}
          act={() => (asking.verb === "Ban" ? room.ban(asking.user) : room.remove(asking.user))}
          onClose={() => setAsking(undefined)}
        />
      )}
      {moderates && <Banned room={room} />}
    </section>
  );
}

/** The users who are banned from a room, once the user asks. */
function Banned({ room }: { room: Room }) {
  const { busy, error, run } = useAction();
  const [users, setUsers] = useState<readonly string[]>();
  const read = (): Promise<boolean> =>
    run(async () => setUsers((await room.bans({ limit: 200 })).users.map(({ user }) => user)));
  const lift = (user: string): Promise<boolean> =>
    run(async () => {
      await room.unban(user);
      setUsers(users?.filter((other) => other !== user));
    });
  return (
    <>
      <button type="button" class="link" disabled={busy} onClick={() => void read()}>
        Show who is banned
      </button>
      <Failure error={error} />
      {users?.length === 0 && <p class="soft">Nobody is banned.</p>}
      <ul class="list" aria-label="Banned users">
        {users?.map((user) => (
          <li key={user}>
            <span class="grow" dir="auto">
              {user}
            </span>
            <button type="button" disabled={busy} aria-label={`Lift the ban of ${user}`} onClick={() => void lift(user)}>
              Lift
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
