/** The other user of a direct room. */
export function peerOf(id, user) {
    const users = id.split(",");
    return users.length === 2 ? users.find((name) => name !== user) : undefined;
}
/** What people call a room: its name, or the other user; its id where it has neither. */
export function nameOf({ id, name }, user) {
    return name || (peerOf(id, user) ?? id);
}
function changed(room, { kind: _, ...change }) {
    return { ...room, ...change, settings: { ...room.settings, ...change.settings } };
}
/** A room after an entry of its log; entries up to its head are in it already. */
export function roomAfter(room, { seq, body }) {
    if (seq <= room.head)
        return room;
    const after = body.kind === "room" ? changed(room, body) : room;
    const members = (room.members ?? 0) + Number(body.kind === "joined") - Number(body.kind === "left");
    return { ...after, head: seq, members };
}
/** What a user has set for a room, after an entry: a message shows a hidden room again. */
export function meAfter(me, { body }, user) {
    if (body.kind === "role" && body.user === user)
        return { ...me, role: body.role };
    return body.kind === "message" && me.hidden ? { ...me, hidden: false } : me;
}
