import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { IconButton } from "./icon.js";
import { useAction } from "./use.js";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A window over the page, which has the focus until it is closed; Escape closes it. */
export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // Closing it gives the focus back to where it was.
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="sheet">
        <header>
          <h2 id={id}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={() => dialog.current?.close()} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  /** The act, as the button says it. */
  verb: string;
  act: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something is done that can't be undone. */
export function Confirm({ title, text, verb, act, onClose }: ConfirmProps) {
  const { busy, error, run } = useAction();
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <Failure error={error} />
      <div class="buttons">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class="danger" disabled={busy} onClick={async () => (await run(act)) && onClose()}>
          {verb}
        </button>
      </div>
    </Dialog>
  );
}

/** The reason why an action failed, as soon as it has. */
export function Failure({ error }: { error: string | undefined }) {
  return <div role="alert">{error !== undefined && <p class="error">{error}</p>}</div>;
}
