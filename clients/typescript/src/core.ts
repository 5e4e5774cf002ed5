import type { ClientEvent } from "./connection.js";
import type { Command, Mark, Replies, Reply, RoomCursor } from "./protocol.js";

/** Takes what a client reports, in order. */
export type Listener = (event: ClientEvent) => void;

/** The base of a chat: a connection of its own, or one that it shares with other tabs. */
export interface Core {
  /** Calls with each event from now on; the result ends that. */
  listen(listener: Listener): () => void;
  /** A new id of a message. */
  id(): string;
  /** Calls once after some milliseconds; the result stops it. */
  after(wait: number, call: () => void): () => void;
  /** Queues a command that stores an entry; it is stored once, in the order of the calls. */
  store(command: Command): Promise<Reply>;
  /** Sends any other command, and again on the next connection if it had no answer. */
  ask(command: Command): Promise<Reply>;
  /** States that everything in a room up to `seq` was received, or read. */
  mark(room: string, mark: Mark, seq: number): void;
  /** States that the user is typing. */
  typing(room: string): void;
  /** The cursor up to which the application has received each room. */
  cursors(): RoomCursor[];
  /** Ends the client; what waits is not sent. */
  close(): void;
}

/** Asks a question, and gives the reply that this command has. */
export function ask<T extends Command["type"]>(core: Core, command: Extract<Command, { type: T }>): Promise<Replies[T]> {
  return core.ask(command) as Promise<Reply & Replies[T]>;
}

/** A part of a list: what comes after `after`, at most `limit` (default 50, at most 200). */
export interface Part {
  readonly after?: string;
  readonly limit?: number;
}
