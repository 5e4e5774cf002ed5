export { type Changes } from "./changes.js";
export { Chat, type ChatSnapshot, connect, type ListedRoom } from "./chat.js";
export type { ClientEvent } from "./connection.js";
export type { Environment, Options, Socket, SocketClass, Token } from "./driver.js";
export { ChatError, type Failure } from "./errors.js";
export * from "./protocol.js";
export { type Person, Room, type RoomSnapshot } from "./room.js";
export type { Message } from "./timeline.js";
