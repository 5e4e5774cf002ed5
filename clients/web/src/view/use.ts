import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";

/** Something that changes, as the client has it. */
interface Store<T> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => T;
}

/** Calls with the next frame; in the background, where there are none, a moment later. */
function soon(call: () => void): void {
  let done = false;
  const once = (): void => {
    if (!done) call();
    done = true;
  };
  requestAnimationFrame(once);
  setTimeout(once, 100);
}

/** The present state of a store. The component is drawn again when it changes; many changes are drawn once. */
export function useStore<T>(store: Store<T>): T {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    let [current, due] = [true, false];
    const drawSoon = (): void => {
      if (due) return;
      due = true;
      soon(() => {
        due = false;
        if (current) draw(undefined);
      });
    };
    draw(undefined);
    const stop = store.subscribe(drawSoon);
    return () => {
      current = false;
      stop();
    };
  }, [store]);
  return store.getSnapshot();
}

/** The state of the user's action. */
export interface Action {
  readonly busy: boolean;
  /** The reason why the last one failed, for people. */
  readonly error: string | undefined;
  readonly run: (action: () => Promise<unknown>) => Promise<boolean>;
}

/** Runs what the user asks for, one at a time, and keeps why it failed. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const run = async (action: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError(undefined);
    try {
      await action();
      return true;
    } catch (error) {
      setError(sentence(error instanceof Error ? error.message : String(error)));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run };
}

/** An error of the server as a sentence of its own. */
export function sentence(message: string): string {
  const text = message.charAt(0).toLocaleUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** True if the user looks at the page. */
export function useAttention(): boolean {
  const now = (): boolean => document.visibilityState === "visible" && document.hasFocus();
  const [attentive, set] = useState(now);
  useEffect(() => {
    const look = (): void => set(now());
    for (const event of ["focus", "blur"]) addEventListener(event, look);
    document.addEventListener("visibilitychange", look);
    return () => {
      for (const event of ["focus", "blur"]) removeEventListener(event, look);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return attentive;
}
