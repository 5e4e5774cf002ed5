import type { SocketClass } from "../src/index.js";

/** The WebSockets of the platform, and those of the package `ws` where it has none (Node 20). */
export const WebSocket = globalThis.WebSocket ?? ((await import("ws")).WebSocket as SocketClass);
