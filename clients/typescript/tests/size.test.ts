import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { size } from "./bundle.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("the whole client has at most 12 KB compressed", async (context) => {
  const bytes = await size(`${root}src/index.ts`);
  context.diagnostic(`${bytes} bytes`);
  assert(bytes > 1_000 && bytes <= 12_000, `${bytes} bytes`);
});

test("tabs that share a connection add at most 2.5 KB", async (context) => {
  const bytes = (await size(`${root}src/tabs.ts`)) - (await size(`${root}src/chat.ts`));
  context.diagnostic(`${bytes} bytes`);
  assert(bytes > 500 && bytes <= 2_500, `${bytes} bytes`);
});

test("the package needs no other at run time", () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
});
