const INTERVAL = 25;
const BURST = 10;
/** Keeps a connection at 40 frames per second, 10 at once after a pause: below the server's limit of 50. */
export class Pace {
    #full = 0;
    /** Milliseconds until a frame may go; 0 when it may go now. */
    wait(now) {
        return Math.max(0, this.#full - (BURST - 1) * INTERVAL - now);
    }
    /** Counts a frame that goes now. */
    spend(now) {
        this.#full = Math.max(this.#full, now) + INTERVAL;
    }
}
