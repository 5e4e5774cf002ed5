import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compile } from "./compile.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const paths = { "@chat-engine/client": "src/index.ts", "@chat-engine/client/tabs": "src/tabs.ts" };

test("what the readme shows compiles", () => {
  compile(`${root}README.md`, [root, "readme"], "ts", 14, paths);
});

test("what the page about the migration shows compiles", () => {
  compile(`${root}../../docs/MIGRATION.md`, [root, "migration"], "ts", 1, paths);
});
