export {} from "./changes.js";
export { Chat, connect } from "./chat.js";
export { ChatError } from "./errors.js";
export { Inbox } from "./inbox.js";
export * from "./protocol.js";
export { Room } from "./room.js";
