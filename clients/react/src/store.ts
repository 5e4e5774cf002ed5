import type { ChatError } from "@chat-engine/client";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

/** Something that changes: a chat, an inbox or a room. */
export interface Readable<T> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => T;
}

const NOTHING: Readable<undefined> = { subscribe: () => () => {}, getSnapshot: () => undefined };

/**
 * A part of what a store holds, as it is now. The component renders again when this part is another one, so
 * `select` takes a part of the snapshot and makes no new object. Without a store it gets `undefined`.
 */
export function useStore<T, S>(store: Readable<T>, select: (snapshot: T) => S): S;
export function useStore<T, S>(store: Readable<T> | undefined, select: (snapshot: T | undefined) => S): S;
export function useStore<T, S>(store: Readable<T> | undefined, select: (snapshot: T) => S): S {
  const { subscribe, getSnapshot } = (store ?? NOTHING) as Readable<T>;
  const get = (): S => select(getSnapshot());
  return useSyncExternalStore(subscribe, get, get);
}

/** A list that is loaded in parts. */
export interface Loading {
  /** Loads the next part. Failures are in `error`. */
  readonly loadMore: () => void;
  /** The reason why the last part could not be loaded; `loadMore` tries again. */
  readonly error: ChatError | undefined;
}

/** Calls what loads the next part of something, and keeps why that failed. */
export function useLoading(of: object | undefined, load: () => Promise<void> | undefined): Loading {
  const [failed, setFailed] = useState<{ of: object | undefined; error: ChatError }>();
  const latest = useLatest(load);
  const loadMore = useCallback(() => {
    setFailed(undefined);
    latest.current()?.catch((error: ChatError) => setFailed({ of, error }));
  }, [of, latest]);
  return { loadMore, error: failed?.of === of ? failed?.error : undefined };
}

/** The value of the last render, for what is called later. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
