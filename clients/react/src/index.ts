export { ChatProvider, useChat, useConnect } from "./chat.js";
export { useConnectionState, useEvents, useInbox, type InboxView, useUnread } from "./inbox.js";
export { useStore, type Readable } from "./store.js";
export {
  type Entered,
  type MembersView,
  type MessagesView,
  type RoomView,
  useDirect,
  useMarkRead,
  useMembers,
  useMessages,
  useRoom,
  useRoomState,
  useTyping,
} from "./room.js";
