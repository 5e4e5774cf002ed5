import { ChatError } from "./errors.js";
import type { Command, ErrorBody, Reply } from "./protocol.js";

/** The answer of the server to a command. */
export type Answered = { readonly result: Reply } | { readonly error: ErrorBody };

/** A call that waits for its answer. */
export interface Waiting {
  readonly command: Command;
  readonly done: (reply: Reply) => void;
  readonly failed: (error: ChatError) => void;
}

/** A command that stores an entry; kept until the server has answered. */
export interface Message extends Waiting {
  tries: number;
}

/** Any other command. */
export interface Question extends Waiting {
  readonly deadline: number;
}

/** The wait before another try when the server names none, and the longest that is taken from a server. */
export const RETRY = 1_000;
const LONGEST = 60_000;

/** Tries of a message whose outcome is unknown, or for which the server is too busy. */
const TRIES = 5;

/** Answers a call. */
export function settle(waiting: Waiting, answer: Answered): void {
  if ("error" in answer) waiting.failed(ChatError.refused(answer.error));
  else waiting.done(answer.result);
}

/** All calls that have no answer yet, but for the questions on their way. */
export class Queue {
  /** The first one may be on its way; it stays here until its answer. */
  readonly messages: Message[] = [];
  questions: Question[] = [];

  /** Takes the answer to the first message; gives the wait when the message is to be sent again. */
  answer(answer: Answered): number | undefined {
    const message = this.messages[0];
    if (!message) return undefined;
    if ("error" in answer) {
      const { code, retry_after_ms } = answer.error;
      message.tries += 1;
      // 302 outcome unknown, 303 overloaded, 310 shutting down.
      const again = code === 310 || ((code === 302 || code === 303) && message.tries < TRIES);
      if (again) return Math.min(retry_after_ms ?? RETRY, LONGEST);
    }
    this.messages.shift();
    settle(message, answer);
    return undefined;
  }

  /** The time at which the next question runs out of time. */
  deadline(): number {
    return Math.min(...this.questions.map((question) => question.deadline));
  }

  /** Fails the questions whose time is up. */
  expire(now: number): void {
    const late = this.questions.filter((question) => question.deadline <= now);
    this.questions = this.questions.filter((question) => question.deadline > now);
    late.forEach(timeOut);
  }

  /** Fails everything: the client has ended. */
  end(error: ChatError): void {
    for (const waiting of [...this.messages.splice(0), ...this.questions.splice(0)]) waiting.failed(error);
  }
}

/** True if a question may be asked again on another connection: a second `invite` would make a second invitation. */
export function mayRepeat({ command }: Question): boolean {
  return command.type !== "invite";
}

/** Fails a question that had no answer when the connection was lost. */
export function leaveUnanswered(question: Question): void {
  question.failed(new ChatError("unanswered", "the connection was lost before the answer; it may have been done"));
}

/** Fails a question that had no answer in time. */
export function timeOut(question: Question): void {
  question.failed(new ChatError("timed_out", "the server gave no answer in time"));
}
