/** Changes that wait for their consumer. Beyond, the oldest are dropped, and entries among them reported. */
const LIMIT = 1_024;
/** An iterator over what happens, for `for await`. It ends with the client, or with the loop. */
export class Changes {
    #waiting = [];
    #ready = [];
    #skipped;
    #ended = false;
    #stop = () => { };
    /** `listen` begins the events, and gives what ends them. */
    constructor(listen) {
        this.#stop = listen((event) => this.#push(event));
    }
    #push(event) {
        const ready = this.#ready.shift();
        if (ready)
            ready({ value: event, done: false });
        else if (this.#waiting.push(event) > LIMIT)
            this.#drop(this.#waiting.shift());
        if (event.type === "ended" || event.type === "closed")
            void this.return();
    }
    #drop(event) {
        if (event?.type !== "entry")
            return;
        const { room, seq } = event;
        this.#skipped = { type: "skipped", room, from: this.#skipped?.from ?? seq, to: seq };
    }
    next() {
        const value = this.#skipped ?? this.#waiting.shift();
        this.#skipped = undefined;
        if (value)
            return Promise.resolve({ value, done: false });
        if (this.#ended)
            return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve) => this.#ready.push(resolve));
    }
    return() {
        this.#ended = true;
        this.#stop();
        const end = { value: undefined, done: true };
        for (const ready of this.#ready.splice(0))
            ready(end);
        return Promise.resolve(end);
    }
    [Symbol.asyncIterator]() {
        return this;
    }
}
