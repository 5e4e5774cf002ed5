import type { Mark, ReceiptCommand, Watermarks } from "./protocol.js";

interface State {
  wanted: Watermarks;
  sent: Watermarks;
  onItsWay: boolean;
}

const NONE: Watermarks = { delivered: 0, read: 0 };

/** The marks after a receipt: they never go back, and what is read is delivered. */
export function advanced(marks: Watermarks, mark: Mark, seq: number): Watermarks {
  return {
    delivered: Math.max(marks.delivered, seq),
    read: mark === "read" ? Math.max(marks.read, seq) : marks.read,
  };
}

/** Receipts that are to be sent, of which only the highest of each room matters. */
export class Marks {
  readonly #rooms = new Map<string, State>();

  raise(room: string, mark: Mark, seq: number): void {
    const state = this.#rooms.get(room) ?? { wanted: NONE, sent: NONE, onItsWay: false };
    state.wanted = advanced(state.wanted, mark, seq);
    this.#rooms.set(room, state);
  }

  /** The next receipt to send. Of each room one is on its way at a time, unless it is the `last`. */
  next(last = false): ReceiptCommand | undefined {
    for (const [room, state] of this.#rooms) {
      const { wanted, sent } = state;
      const read = wanted.read > sent.read;
      if ((state.onItsWay && !last) || (!read && wanted.delivered <= sent.delivered)) continue;
      const mark = read ? "read" : "delivered";
      const seq = wanted[mark];
      state.onItsWay = true;
      state.sent = advanced(sent, mark, seq);
      return { room, mark, seq };
    }
    return undefined;
  }

  /** The server has answered. A refusal is not repeated. */
  answered(room: string): void {
    const state = this.#rooms.get(room);
    if (state) state.onItsWay = false;
  }

  /** The connection is lost: what was on its way is sent again. */
  disconnected(): void {
    for (const state of this.#rooms.values()) {
      if (state.onItsWay) Object.assign(state, { sent: NONE, onItsWay: false });
    }
  }

  /** The room's log began anew, and so do its receipts. */
  forget(room: string): void {
    this.#rooms.delete(room);
  }
}
