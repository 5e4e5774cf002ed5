import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compileReadme } from "../../typescript/tests/compile.js";

test("what the readme shows compiles", () => {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  compileReadme(root, "tsx", 3, { "@chat-engine/client": "../typescript/src/index.ts", "@chat-engine/react": "src/index.ts" });
});
