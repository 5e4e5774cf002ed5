import { ask } from "./core.js";
import { meAfter, nameOf, peerOf, roomAfter } from "./details.js";
import { ChatError } from "./errors.js";
import { steady, Store } from "./store.js";
/** Rooms in a page that is read again, and users in a question for presence. */
const PAGE = 200;
const USERS = 100;
/** The wait before a list is read again when the server could not. */
const AGAIN = 5_000;
/** A moment as a text that sorts as it should, however many digits its seconds have. */
function moment(at) {
    return at.replace("Z", "");
}
function place({ active_at, room }) {
    return [moment(active_at), room.id];
}
function compare(a, b) {
    if (a[0] !== b[0])
        return a[0] > b[0] ? -1 : 1;
    return a[1] < b[1] ? -1 : Number(a[1] > b[1]);
}
/** What an edit or a deletion makes of its message. */
function changed(body, at) {
    return body.kind === "edit" ? { kind: "message", text: body.text, edited_at: at } : { kind: "deleted" };
}
function isListed({ me, unread, mentions }, filter) {
    if (me.hidden || filter === "hidden")
        return me.hidden && filter === "hidden";
    return filter === "all" || (filter === "pinned" ? me.pinned : (filter === "unread" ? unread : mentions) > 0);
}
/** The user's rooms in the order of their newest messages, kept as they are now: a store for user interfaces. */
export class Inbox extends Store {
    filter;
    #shelf;
    /** The place of the last room that was read; undefined before the first page and after the last one. */
    #floor;
    #next;
    #more = true;
    #reading;
    /** @internal */
    constructor(filter, shelf) {
        super();
        this.filter = filter;
        this.#shelf = shelf;
    }
    snapshot(before) {
        const rooms = this.#isRead ? this.#shelf.items().filter((item) => this.#shows(item)) : [];
        rooms.sort((a, b) => compare(place(a), place(b)));
        return { rooms: steady(before?.rooms, rooms), more: this.#more, loading: this.#reading !== undefined };
    }
    get #isRead() {
        return this.#floor !== undefined || !this.#more;
    }
    #shows(item) {
        return isListed(item, this.filter) && (!this.#floor || compare(place(item), this.#floor) <= 0);
    }
    get rooms() {
        return this.getSnapshot().rooms;
    }
    /** The inbox of other rooms: the `unread`, `pinned` or `hidden` ones, those with `mentions`, or `all` but the hidden. */
    only(filter) {
        return this.#shelf.inbox(filter);
    }
    /** Reads the first rooms, or more of them (default 50, at most 200); resolves when they are in `rooms`. */
    more(limit = 50) {
        if (!this.#more)
            return Promise.resolve();
        const done = () => {
            this.#reading = undefined;
            this.changed();
        };
        this.#reading ??= this.#shelf
            .alone(async () => {
            const page = await this.#read(limit, this.#next);
            this.#shelf.take(page.rooms);
            this.#turn(page);
        })
            .finally(done);
        this.changed();
        return this.#reading;
    }
    #read(limit, after) {
        const query = { filter: this.filter, limit, ...(after !== undefined && { after }) };
        return this.#shelf.ask(query);
    }
    #turn({ rooms, next }) {
        const last = rooms.at(-1);
        this.#next = next;
        this.#more = next !== undefined;
        this.#floor = last && this.#more ? place(last) : undefined;
    }
    /** Reads as many rooms again as there were; the result takes them. @internal */
    async again() {
        if (!this.#isRead)
            return undefined;
        const rooms = [];
        let page = { rooms };
        do {
            page = await this.#read(PAGE, page.next);
            rooms.push(...page.rooms);
        } while (page.next !== undefined && rooms.length < this.rooms.length);
        return { rooms, take: () => this.#turn({ ...page, rooms }) };
    }
    /** Something has happened. @internal */
    hear() {
        this.changed();
    }
}
/** What the inboxes of a chat know together. */
export class Shelf {
    #core;
    #user;
    #counts;
    #inboxes = new Map();
    #presence = new Map();
    #rooms = new Map();
    #items = new Map();
    /** One read at a time, and the events that came meanwhile: what is read may not show them. */
    #turn = Promise.resolve();
    #meanwhile;
    #refreshing = false;
    constructor(core, user, counts) {
        this.#core = core;
        this.#user = user;
        this.#counts = counts;
    }
    inbox(filter) {
        let inbox = this.#inboxes.get(filter);
        if (!inbox)
            this.#inboxes.set(filter, (inbox = new Inbox(filter, this)));
        return inbox;
    }
    /** All rooms that are known. An item is the same object until something in it changes. */
    items() {
        return [...this.#rooms.values()].map((row) => {
            const { id } = row.room;
            const [user, counts] = [this.#user(), this.#counts(id)];
            const peer = peerOf(id, user);
            const presence = this.#presence.get(peer ?? "");
            const of = [row, counts, presence];
            const known = this.#items.get(id);
            if (known && known.of.every((part, n) => part === of[n]))
                return known.item;
            const { delivered, read, unread } = counts ?? row;
            const item = { ...row, delivered, read, unread, id, name: nameOf(row.room, user), peer, presence };
            this.#items.set(id, { of, item });
            return item;
        });
    }
    ask(query) {
        return ask(this.#core, { type: "inbox", ...query });
    }
    alone(read) {
        const turn = this.#turn.then(async () => {
            this.#meanwhile = [];
            try {
                return await read();
            }
            finally {
                for (const event of this.#meanwhile.splice(0))
                    this.#apply(event);
                this.#meanwhile = undefined;
                this.tell();
            }
        });
        this.#turn = turn.catch(() => { });
        return turn;
    }
    take(rooms, all = false) {
        if (all)
            this.#rooms.clear();
        for (const row of rooms)
            this.#rooms.set(row.room.id, row);
        const peers = rooms.map(({ room }) => peerOf(room.id, this.#user()) ?? "");
        this.#look(peers.filter((peer) => peer && (all || !this.#presence.has(peer)))).catch(() => { });
    }
    /** Asks which of these users are online. */
    async #look(users) {
        for (let n = 0; n < users.length; n += USERS) {
            const reply = await ask(this.#core, { type: "presence", users: users.slice(n, n + USERS) });
            for (const presence of reply.users)
                this.#presence.set(presence.user, presence);
            this.tell();
        }
    }
    /** Reads everything again that was read, for something may have been missed. */
    #refresh() {
        if (this.#refreshing)
            return;
        this.#refreshing = true;
        const refreshed = this.alone(async () => {
            this.#refreshing = false;
            const read = [];
            for (const inbox of this.#inboxes.values())
                read.push(await inbox.again());
            this.take(read.flatMap((news) => news?.rooms ?? []), true);
            for (const news of read)
                news?.take();
        });
        refreshed.catch((error) => {
            if (error.failure === "refused")
                this.#core.after(AGAIN, () => this.#refresh());
        });
    }
    /** Something has changed. */
    tell() {
        for (const inbox of this.#inboxes.values())
            inbox.hear();
    }
    /** Takes what happens, if there is an inbox that somebody looks at. */
    hear(event) {
        if (this.#inboxes.size === 0)
            return;
        this.#meanwhile?.push(event);
        this.#apply(event);
        if (event.type === "connected" || event.type === "reset" || event.type === "skipped")
            this.#refresh();
        this.tell();
    }
    #apply(event) {
        switch (event.type) {
            case "entry": {
                const row = this.#rooms.get(event.room);
                if (row)
                    this.#add(row, event);
                else if (event.body.kind === "message")
                    this.#refresh();
                break;
            }
            case "room": {
                const { type: _, why, ...row } = event;
                const head = this.#rooms.get(row.room.id)?.room.head ?? 0;
                if (why === "added")
                    this.#rooms.set(row.room.id, row);
                else if (head <= row.room.head)
                    this.#rooms.delete(row.room.id);
                break;
            }
            case "me": {
                const { type: _, room, ...me } = event;
                const row = this.#rooms.get(room);
                if (row)
                    this.#rooms.set(room, { ...row, me });
                else
                    this.#refresh();
                break;
            }
            case "presence": {
                const { type: _, ...presence } = event;
                if (this.#presence.has(event.user))
                    this.#presence.set(event.user, presence);
                break;
            }
            case "closed":
                this.#rooms.delete(event.room);
        }
    }
    #add(row, entry) {
        const { room: id, seq, at, body } = entry;
        const user = this.#user();
        if (seq <= row.room.head)
            return;
        if (body.kind === "left" && body.user === user)
            return void this.#rooms.delete(id);
        const next = { ...row, room: roomAfter(row.room, entry), me: meAfter(row.me, entry, user) };
        if (body.kind === "message") {
            next.last = entry;
            // The clocks of servers differ, and a message moves no room down.
            if (moment(at) > moment(row.active_at))
                next.active_at = at;
        }
        if ("target" in body && body.target === row.last?.seq)
            next.last = { ...row.last, body: changed(body, at) };
        this.#rooms.set(id, next);
    }
}
