/** Something that changes, for user interfaces: `useSyncExternalStore(store.subscribe, store.getSnapshot)`. */
export abstract class Store<T> {
  readonly #listeners = new Set<() => void>();
  #snapshot: T | undefined;
  #notifying = false;

  /** Calls after changes, once for all that happen at the same time; the result ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The present state, which is never changed: the same object until something has happened. */
  readonly getSnapshot = (): T => (this.#snapshot ??= this.snapshot());

  protected abstract snapshot(): T;

  protected changed(): void {
    this.#snapshot = undefined;
    if (this.#notifying) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
