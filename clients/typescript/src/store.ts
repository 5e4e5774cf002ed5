/** The list of before if it has the same elements, so that a user interface sees what has not changed. */
export function steady<T>(before: readonly T[] | undefined, now: readonly T[]): readonly T[] {
  return before?.length === now.length && now.every((element, n) => element === before[n]) ? before : now;
}

/** Something that changes, for user interfaces: `useSyncExternalStore(store.subscribe, store.getSnapshot)`. */
export abstract class Store<T> {
  readonly #listeners = new Set<() => void>();
  #snapshot: T | undefined;
  #fresh = false;
  #notifying = false;

  /** Calls after changes, once for all that happen at the same time; the result ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The present state, which is never changed: the same object until something has happened. */
  readonly getSnapshot = (): T => {
    if (this.#snapshot === undefined || !this.#fresh) this.#snapshot = this.snapshot(this.#snapshot);
    this.#fresh = true;
    return this.#snapshot;
  };

  /** The present state, which shares with the one before what has not changed. */
  protected abstract snapshot(before: T | undefined): T;

  protected changed(): void {
    this.#fresh = false;
    if (this.#notifying) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
