/** The error of a call, or of a client that has ended. */
export class ChatError extends Error {
    name = "ChatError";
    failure;
    /** The code of the error, or the close code that ended the client. */
    code;
    /** Milliseconds after which the same call has a chance, where the server said so. */
    retryAfter;
    constructor(failure, message, code, retryAfter) {
        super(message);
        this.failure = failure;
        this.code = code;
        this.retryAfter = retryAfter;
    }
    /** The refusal that an error of the server means. */
    static refused(body) {
        return new ChatError("refused", body.message, body.code, body.retry_after_ms);
    }
}
