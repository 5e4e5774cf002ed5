import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compileReadme } from "./compile.js";

test("what the readme shows compiles", () => {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  compileReadme(root, "ts", 3, { "@chat-engine/client": "src/index.ts", "@chat-engine/client/tabs": "src/tabs.ts" });
});
