const NONE = { delivered: 0, read: 0 };
/** The marks after a receipt: they never go back, and what is read is delivered. */
export function advanced(marks, mark, seq) {
    return {
        delivered: Math.max(marks.delivered, seq),
        read: mark === "read" ? Math.max(marks.read, seq) : marks.read,
    };
}
/** Receipts that are to be sent, of which only the highest of each room matters. */
export class Marks {
    #rooms = new Map();
    raise(room, mark, seq) {
        const state = this.#rooms.get(room) ?? { wanted: NONE, sent: NONE, onItsWay: false };
        state.wanted = advanced(state.wanted, mark, seq);
        this.#rooms.set(room, state);
    }
    /** The next receipt to send. Of each room one is on its way at a time, unless it is the `last`. */
    next(last = false) {
        for (const [room, state] of this.#rooms) {
            const { wanted, sent } = state;
            const read = wanted.read > sent.read;
            if ((state.onItsWay && !last) || (!read && wanted.delivered <= sent.delivered))
                continue;
            const mark = read ? "read" : "delivered";
            const seq = wanted[mark];
            state.onItsWay = true;
            state.sent = advanced(sent, mark, seq);
            return { room, mark, seq };
        }
        return undefined;
    }
    /** The server has answered. A refusal is not repeated. */
    answered(room) {
        const state = this.#rooms.get(room);
        if (state)
            state.onItsWay = false;
    }
    /** The connection is lost: what was on its way is sent again. */
    disconnected() {
        for (const state of this.#rooms.values()) {
            if (state.onItsWay)
                Object.assign(state, { sent: NONE, onItsWay: false });
        }
    }
    /** The room's log began anew, and so do its receipts. */
    forget(room) {
        this.#rooms.delete(room);
    }
}
