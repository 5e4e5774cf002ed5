// Runs the two pages of docs/MIGRATION.md against each other, at a real server that asks for no tokens: `node migration.js
// URL SOCKET-IO`, of which the second is the module `socket.io-client`. The new page is in `build/migration/js` once it
// was compiled.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { blocksOf } from "./compile.js";
import { WebSocket } from "./socket.js";

const [url = "", library = ""] = process.argv.slice(2);
globalThis.WebSocket ??= WebSocket as never;

const folder = new URL("../migration/", import.meta.url);
const document = fileURLToPath(new URL("../../../../docs/MIGRATION.md", import.meta.url));
writeFileSync(new URL("before.mjs", folder), blocksOf(document, "js").get("0") ?? "");
const before = await import(new URL("before.mjs", folder).href);
const after = await import(new URL("js/typescript/build/migration/0.js", folder).href);
const { io } = await import(library);

const drawn: Record<string, { lines: string[]; online: boolean; typing: boolean }> = {};
const draw =
  (who: string) =>
  (lines: string[], state: { online: boolean; typing: boolean }): void => {
    drawn[who] = { lines, ...state };
  };

async function until(what: string, holds: () => boolean | undefined): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); ) {
    assert(Date.now() < end, `not in time: ${what}, ${JSON.stringify(drawn)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const old = before.page(io, url, "bob", "alice", draw("bob"));
const now = await after.page(url, "alice", "bob", draw("alice"));
await until("both are online", () => drawn["alice"]?.online && drawn["bob"]?.online);
now.send("hello");
await until("the old page has read it", () => drawn["alice"]?.lines.join() === "alice: hello (read)");
assert.deepEqual(drawn["bob"]?.lines, ["alice: hello"]);
old.key();
await until("bob is typing", () => drawn["alice"]?.typing);
old.send("hi");
await until("the new page has read it", () => drawn["bob"]?.lines.join() === "alice: hello,bob: hi (read)");
assert.deepEqual(drawn["alice"]?.lines, ["alice: hello (read)", "bob: hi"]);
await until("bob is not typing any more", () => drawn["alice"]?.typing === false);
now.key();
await until("alice is typing", () => drawn["bob"]?.typing);
old.leave();
await until("bob is gone", () => drawn["alice"]?.online === false);
now.leave();
console.log("both pages");
