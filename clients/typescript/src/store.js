/** The list of before if it has the same elements, so that a user interface sees what has not changed. */
export function steady(before, now) {
    return before?.length === now.length && now.every((element, n) => element === before[n]) ? before : now;
}
/** Something that changes, for user interfaces: `useSyncExternalStore(store.subscribe, store.getSnapshot)`. */
export class Store {
    #listeners = new Set();
    #snapshot;
    #fresh = false;
    #notifying = false;
    /** Calls after changes, once for all that happen at the same time; the result ends that. */
    subscribe = (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    };
    /** The present state, which is never changed: the same object until something has happened. */
    getSnapshot = () => {
        if (this.#snapshot === undefined || !this.#fresh)
            this.#snapshot = this.snapshot(this.#snapshot);
        this.#fresh = true;
        return this.#snapshot;
    };
    changed() {
        this.#fresh = false;
        if (this.#notifying)
            return;
        this.#notifying = true;
        queueMicrotask(() => {
            this.#notifying = false;
            for (const listener of [...this.#listeners])
                listener();
        });
    }
}
