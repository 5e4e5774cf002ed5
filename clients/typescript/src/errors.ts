import type { ErrorBody } from "./protocol.js";

/**
 * The reason why a call failed: refused by the server, no answer within 15 s, a connection that was lost before the
 * answer to what would be done twice, 1,000 calls waiting, or the client's end.
 */
export type Failure = "refused" | "timed_out" | "unanswered" | "queue_full" | "mismatch" | "ended";

/** The error of a call, or of a client that has ended. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly failure: Failure;
  /** The code of the error, or the close code that ended the client. */
  readonly code: number | undefined;
  /** Milliseconds after which the same call has a chance, where the server said so. */
  readonly retryAfter: number | undefined;

  constructor(failure: Failure, message: string, code?: number, retryAfter?: number) {
    super(message);
    this.failure = failure;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** The refusal that an error of the server means. */
  static refused(body: ErrorBody): ChatError {
    return new ChatError("refused", body.message, body.code, body.retry_after_ms);
  }
}
