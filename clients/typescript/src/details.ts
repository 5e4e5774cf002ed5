import type { Entry, Me, Room, RoomChange } from "./protocol.js";

/** The other user of a direct room. */
export function peerOf(id: string, user: string | undefined): string | undefined {
  const users = id.split(",");
  return users.length === 2 ? users.find((name) => name !== user) : undefined;
}

/** The label of a room: its name, or the other user; its id where it has neither. */
export function nameOf({ id, name }: Pick<Room, "id" | "name">, user: string | undefined): string {
  return name || (peerOf(id, user) ?? id);
}

function changed(room: Room, { kind: _, ...change }: RoomChange & { readonly kind: "room" }): Room {
  return { ...room, ...change, settings: { ...room.settings, ...change.settings } };
}

/** A room after an entry of its log; entries up to its head are in it already. */
export function roomAfter(room: Room, { seq, body }: Entry): Room {
  if (seq <= room.head) return room;
  const after = body.kind === "room" ? changed(room, body) : room;
  const members = (room.members ?? 0) + Number(body.kind === "joined") - Number(body.kind === "left");
  return { ...after, head: seq, members };
}

/** The user's own settings for a room, after an entry: a message shows a hidden room again. */
export function meAfter(me: Me, { body }: Entry, user: string | undefined): Me {
  if (body.kind === "role" && body.user === user) return { ...me, role: body.role };
  return body.kind === "message" && me.hidden ? { ...me, hidden: false } : me;
}
