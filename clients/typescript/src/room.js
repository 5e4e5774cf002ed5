import { Changes } from "./changes.js";
import { ask } from "./core.js";
import { meAfter, nameOf, roomAfter } from "./details.js";
import { ChatError } from "./errors.js";
import { ErrorCode, } from "./protocol.js";
import { steady, Store } from "./store.js";
import { Timeline } from "./timeline.js";
/** The time after which a user who said nothing more is not typing any more. */
const TYPING = 8_000;
/** A room: its messages and members, and what the user can do in it. */
export class Room extends Store {
    id;
    #core;
    #user;
    #timeline = new Timeline();
    #people = new Map();
    #typing = new Map();
    #listeners = new Set();
    #info;
    #me;
    #closed = false;
    /** Whether members are missing, and the last one that was read. */
    #moreMembers = false;
    #member;
    /** @internal */
    constructor(view, core, user) {
        super();
        this.id = view.room.id;
        this.#core = core;
        this.#user = user;
        this.#info = view.room;
        this.#me = view.me;
        this.view(view);
    }
    snapshot(before) {
        return {
            name: nameOf(this.#info, this.#user()),
            info: this.#info,
            me: this.#me,
            messages: steady(before?.messages, this.#timeline.messages),
            members: steady(before?.members, [...this.#people.values()]),
            moreMembers: this.#moreMembers,
            typing: steady(before?.typing, [...this.#typing.keys()]),
            older: this.#timeline.older,
            closed: this.#closed,
        };
    }
    /** What to call the room: its name, or the other user. */
    get name() {
        return this.getSnapshot().name;
    }
    get topic() {
        return this.#info.topic ?? "";
    }
    get settings() {
        return this.#info.settings ?? {};
    }
    /** What the server says about the room: its kind, its data, whether it is archived, and more. */
    get info() {
        return this.#info;
    }
    /** The user's role in the room, and how the user has it set. */
    get me() {
        return this.#me;
    }
    /** Which of the other members are online, as far as it is known; of a direct room, the other user. */
    get presence() {
        const others = this.members.filter(({ user }) => user !== this.#user());
        return others.flatMap(({ user, online, last_seen }) => online === undefined ? [] : [{ user, online, ...(last_seen !== undefined && { last_seen }) }]);
    }
    get messages() {
        return this.getSnapshot().messages;
    }
    get members() {
        return this.getSnapshot().members;
    }
    get typists() {
        return this.getSnapshot().typing;
    }
    /** Sends a message, which is shown at once. Resolves when it is stored for good, however long that takes. */
    send(text) {
        return this.#send(this.#core.id(), text);
    }
    /** Sends a message again that has failed, under the same id: it is stored once. */
    retry({ clientId, text }) {
        return this.#send(clientId, text);
    }
    /** Takes a message out that has failed. */
    discard({ author, clientId, status }) {
        if (status !== "failed")
            return;
        this.#timeline.discard(author, clientId);
        this.changed();
    }
    #send(clientId, text) {
        this.#timeline.sending(this.#user(), clientId, text);
        this.changed();
        const sent = this.#store({ type: "send", room: this.id, text, client_id: clientId });
        const outcome = (tell) => (tell(), this.changed());
        sent.then((sent) => outcome(() => this.#timeline.sent(clientId, sent)), (error) => outcome(() => this.#timeline.failed(clientId, error)));
        return sent;
    }
    /** Gives one of the user's own messages another text. */
    edit(target, text) {
        return this.#store({ type: "edit", room: this.id, target, text, client_id: this.#core.id() });
    }
    /** Deletes a message. */
    delete(target) {
        return this.#store({ type: "delete", room: this.id, target, client_id: this.#core.id() });
    }
    #store(command) {
        const sent = this.#core.store(command).then((reply) => {
            if (reply.kind === "sent")
                return reply;
            throw new ChatError("mismatch", "the server gave an answer that does not fit the question");
        });
        // A caller that looks at `messages` need not look at the result, too.
        sent.catch(() => { });
        return sent;
    }
    /** Reads older messages, at most 200 entries; resolves when they are in `messages`. */
    async more(limit = 50) {
        const before = this.#timeline.oldest;
        this.#timeline.loads();
        let page;
        try {
            const reply = await this.#core.ask({
                type: "history",
                room: this.id,
                limit,
                page: before === undefined ? "newest" : { before },
            });
            if (reply.kind === "history")
                page = reply;
        }
        finally {
            this.#timeline.loaded(page);
            this.changed();
        }
    }
    /** States that the user can see everything up to this message; without a number, up to the newest. */
    markDelivered(seq = this.#timeline.newest) {
        if (seq)
            this.#core.mark(this.id, "delivered", seq);
    }
    /** States that the user has read everything up to this message; without a number, up to the newest. */
    markRead(seq = this.#timeline.newest) {
        if (seq)
            this.#core.mark(this.id, "read", seq);
    }
    /** States that the user is typing; call it with each key, it is sent once in 3 s. */
    typing() {
        this.#core.typing(this.id);
    }
    /** Reads more members of a room of more than 100, in ascending order of their names (default 50, at most 100). */
    async readMembers(limit = 50) {
        if (!this.#moreMembers)
            return;
        const after = this.#member === undefined ? {} : { after: this.#member };
        const { members, more } = await this.#ask({ type: "members", room: this.id, limit, ...after });
        this.#member = members.at(-1)?.user ?? this.#member;
        this.#moreMembers = more;
        this.#meetAll(members);
        const users = members.map(({ user }) => user);
        if (users.length > 0)
            this.#meetAll((await this.#ask({ type: "presence", users })).users);
    }
    /** Adds a member to a group or channel, as `member` unless another role is given. */
    add(user, role) {
        return this.#ask({ type: "add", room: this.id, user, ...(role && { role }) });
    }
    /** Removes a member. */
    async remove(user) {
        await this.#ask({ type: "remove", room: this.id, user });
    }
    /** Gives a member another role. */
    setRole(user, role) {
        return this.#ask({ type: "role", room: this.id, user, role });
    }
    /** Leaves a group or channel. */
    async leave() {
        await this.#ask({ type: "leave", room: this.id });
    }
    /** Changes the name, topic, data or settings, or archives the room; an empty value takes one away. */
    async update(change) {
        this.view(await this.#ask({ type: "update", room: this.id, ...change, client_id: this.#core.id() }));
    }
    /** Changes how the user has the room, on all devices; `muted_until: null` for notifications again. */
    async set(change) {
        const reply = await this.#ask({ type: "me", room: this.id, ...change });
        const { kind: _, ...me } = reply;
        this.#me = me;
        this.changed();
        return me;
    }
    /** Makes an invitation, whose `token` lets users in by `chat.accept`: how many, for how many seconds, as what. */
    invite(invite = {}) {
        return this.#ask({ type: "invite", room: this.id, ...invite });
    }
    /** Lists the invitations, in ascending order of id. */
    invites(part = {}) {
        return this.#ask({ type: "invites", room: this.id, ...part });
    }
    /** Takes an invitation back. */
    async uninvite(invite) {
        await this.#ask({ type: "uninvite", room: this.id, invite });
    }
    /** Bans a user: a member is removed, and nobody can let the user in. */
    ban(user, sanction = {}) {
        return this.#ask({ type: "ban", room: this.id, user, ...sanction });
    }
    /** Lifts the bans of a user. */
    async unban(user) {
        await this.#ask({ type: "unban", room: this.id, user });
    }
    /** Lists who is banned, in ascending order of the names. */
    bans(part = {}) {
        return this.#ask({ type: "bans", room: this.id, ...part });
    }
    /** Mutes a user, who then reads and says nothing. */
    mute(user, sanction = {}) {
        return this.#ask({ type: "mute", room: this.id, user, ...sanction });
    }
    /** Lifts the mutes of a user. */
    async unmute(user) {
        await this.#ask({ type: "unmute", room: this.id, user });
    }
    /** Lists who is muted, in ascending order of the names. */
    mutes(part = {}) {
        return this.#ask({ type: "mutes", room: this.id, ...part });
    }
    #ask(command) {
        return ask(this.#core, command);
    }
    /** What happens in the room from now on: entries, receipts, typing, presence of members, and the end. */
    [Symbol.asyncIterator]() {
        return new Changes((listener) => {
            this.#listeners.add(listener);
            return () => this.#listeners.delete(listener);
        });
    }
    /** Takes the room as the server shows it; members come with it if there are at most 100. @internal */
    view({ room, me, members }) {
        if (room.head >= this.#info.head)
            [this.#info, this.#me, this.#closed] = [room, me, false];
        if (members.length > 0)
            this.#people.clear();
        else if (this.#people.size === 0)
            this.#moreMembers = true;
        this.#meetAll(members);
    }
    /** Asks again what may have been missed; if the connection breaks, the next one does. @internal */
    refresh() {
        this.#ask({ type: "room", room: this.id }).then((view) => this.view(view), ({ code }) => {
            if (code !== ErrorCode.no_room)
                return;
            this.#closed = true;
            this.changed();
        });
    }
    #meetAll(people) {
        for (const person of people)
            this.#meet(person.user, person);
        this.changed();
    }
    #meet(user, news) {
        this.#people.set(user, { ...this.#people.get(user), ...news, user });
    }
    /** Whether an event is of this room. @internal */
    concerns(event) {
        if (event.type === "room")
            return event.room.id === this.id;
        if ("room" in event)
            return event.room === this.id;
        return event.type === "ended" || (event.type === "presence" && this.#people.has(event.user));
    }
    /** Takes an event of this room. @internal */
    hear(event) {
        switch (event.type) {
            case "entry":
                this.#timeline.add(event);
                this.#info = roomAfter(this.#info, event);
                this.#me = meAfter(this.#me, event, this.#user());
                this.#moves(event.body);
                break;
            case "room":
                if (event.room.head >= this.#info.head)
                    this.#closed = event.why === "removed";
                break;
            case "me": {
                const { type: _, room: __, ...me } = event;
                this.#me = me;
                break;
            }
            case "reset":
                this.#timeline.reset();
                break;
            case "skipped":
                this.#timeline.skipped(event.to);
                break;
            case "receipt":
                if (this.#people.has(event.user))
                    this.#meet(event.user, { delivered: event.delivered, read: event.read });
                break;
            case "presence": {
                const { type: _, ...presence } = event;
                this.#meet(event.user, presence);
                break;
            }
            case "typing":
                this.#types(event.user, event.active);
                break;
            case "closed":
                this.#closed = true;
        }
        this.changed();
        for (const listener of [...this.#listeners])
            listener(event);
    }
    #moves(body) {
        if (body.kind === "joined" || body.kind === "role")
            this.#meet(body.user, { role: body.role ?? "member" });
        else if (body.kind === "left")
            this.#people.delete(body.user);
        else
            return;
        if (body.user === this.#user())
            this.#closed = body.kind === "left";
    }
    /** The connection is lost: what was said of the moment is stale. @internal */
    disconnected() {
        for (const user of [...this.#typing.keys()])
            this.#types(user, false);
        this.changed();
    }
    #types(user, active) {
        this.#typing.get(user)?.();
        this.#typing.delete(user);
        if (!active)
            return;
        const end = () => {
            this.#typing.delete(user);
            this.changed();
        };
        this.#typing.set(user, this.#core.after(TYPING, end));
    }
}
