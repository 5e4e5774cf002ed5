/** Messages that are kept of a room; beyond, the oldest tenth is forgotten, and can be read again. */
const KEEP = 10_000;
function key(author, clientId) {
    return `${author}/${clientId}`;
}
function stored({ author, client_id, seq, at }, text, more) {
    return { key: key(author, client_id), author, clientId: client_id, text, status: "sent", seq, at, ...more };
}
/** The messages of one room: those that are stored, in the order of the log, then those on their way. */
export class Timeline {
    #stored = [];
    #pending = [];
    /** The targets of the deletions that are known. */
    #deleted = new Set();
    /** Edits and deletions that came while a page was on its way, which may not show them. */
    #changes = [];
    #loading = 0;
    /** Whether there are messages before the first one. */
    older = false;
    get messages() {
        return [...this.#stored, ...this.#pending];
    }
    /** The number of the oldest entry that was loaded; undefined when none was. */
    oldest;
    /** The number of the newest stored message. */
    get newest() {
        return this.#stored.at(-1)?.seq ?? 0;
    }
    /** Takes the next entry of the log. */
    add(entry) {
        this.oldest ??= entry.seq;
        if (entry.body.kind === "edit" || entry.body.kind === "delete") {
            if (this.#loading)
                this.#changes.push(entry);
            this.#change(entry);
        }
        else
            this.#insert(entry);
        if (this.#stored.length > KEEP)
            this.#forget(this.#stored[KEEP / 10]?.seq ?? 0);
    }
    /** Notes that a page of the history is on its way. */
    loads() {
        this.#loading += 1;
    }
    /** Takes a page of the history, or that there was none. Its messages are as they are now. */
    loaded(page) {
        this.#loading -= 1;
        for (const { body } of page?.entries ?? [])
            if (body.kind === "delete")
                this.#deleted.add(body.target);
        for (const entry of page?.entries ?? [])
            this.#insert(entry);
        for (const entry of this.#changes)
            this.#change(entry);
        if (!this.#loading)
            this.#changes = [];
        if (!page)
            return;
        const first = page.entries[0]?.seq ?? Infinity;
        if (first <= (this.oldest ?? Infinity)) {
            this.oldest = first;
            this.older = page.older;
        }
    }
    /** The log began anew. What is on its way stays. */
    reset() {
        this.#forget(Infinity);
        this.#deleted.clear();
        this.#changes = [];
        this.older = false;
    }
    /** Entries up to `to` are left out: what is older is forgotten, so that there is no hole. */
    skipped(to) {
        this.#forget(to + 1);
    }
    #forget(before) {
        this.#stored = this.#stored.filter(({ seq }) => seq >= before);
        this.oldest = this.#stored[0]?.seq;
        this.older = true;
    }
    #place(seq) {
        let [low, high] = [0, this.#stored.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if ((this.#stored[middle]?.seq ?? 0) < seq)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
    #insert(entry) {
        const { body, seq } = entry;
        let message;
        if (body.kind === "message") {
            message = stored(entry, body.text, body.edited_at ? { editedAt: body.edited_at } : {});
        }
        else if (body.kind === "deleted" && this.#deleted.has(seq)) {
            message = stored(entry, "", { deleted: true });
        }
        else
            return;
        this.discard(message.author, message.clientId);
        const place = this.#place(seq);
        if (this.#stored[place]?.seq !== seq)
            this.#stored.splice(place, 0, { ...message, seq });
    }
    #change({ body, at }) {
        if (body.kind !== "edit" && body.kind !== "delete")
            return;
        if (body.kind === "delete")
            this.#deleted.add(body.target);
        const place = this.#place(body.target);
        const message = this.#stored[place];
        if (message?.seq !== body.target)
            return;
        const { editedAt: _, ...rest } = message;
        this.#stored[place] =
            body.kind === "edit" ? { ...message, text: body.text, editedAt: at } : { ...rest, text: "", deleted: true };
    }
    /** Shows a message that was queued, or queued again. */
    sending(author, clientId, text) {
        this.discard(author, clientId);
        this.#pending.push({ key: key(author, clientId), author, clientId, text, status: "sending" });
    }
    /** The message is stored; its entry follows, or was there before. */
    sent(clientId, { seq, at }) {
        this.#update(clientId, { status: "sent", seq, at });
    }
    failed(clientId, error) {
        this.#update(clientId, { status: "failed", error });
    }
    #update(clientId, change) {
        this.#pending = this.#pending.map((message) => message.clientId === clientId ? { ...message, ...change } : message);
    }
    /** Takes a message out that is not stored, or whose entry takes its place. */
    discard(author, clientId) {
        this.#pending = this.#pending.filter((message) => message.key !== key(author, clientId));
    }
}
