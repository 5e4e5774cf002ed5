/** The wait before the next attempt to connect: random between 0 and a ceiling that doubles ("full jitter"). */
export class Backoff {
    #failures = 0;
    #random;
    #base;
    #cap;
    constructor(random, base = 500, cap = 30_000) {
        this.#random = random;
        this.#base = base;
        this.#cap = cap;
    }
    /** The wait after one more failure, in milliseconds. */
    next() {
        return this.#random() * Math.min(this.#cap, this.#base * 2 ** this.#failures++);
    }
    /** Begins anew after a success. */
    reset() {
        this.#failures = 0;
    }
}
