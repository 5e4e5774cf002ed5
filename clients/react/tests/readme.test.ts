import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compile } from "../../typescript/tests/compile.js";

test("what the readme shows compiles", () => {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const paths = { "@chat-engine/client": "../typescript/src/index.ts", "@chat-engine/react": "src/index.ts" };
  compile(`${root}README.md`, [root, "readme"], "tsx", 3, paths);
});
