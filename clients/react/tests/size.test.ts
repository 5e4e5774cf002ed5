import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { size } from "../../typescript/tests/bundle.js";

test("the hooks have at most 1.5 KB compressed", async (context) => {
  const file = fileURLToPath(new URL("../../../src/index.ts", import.meta.url));
  const bytes = await size(file, ["react", "@chat-engine/client"]);
  context.diagnostic(`${bytes} bytes`);
  assert(bytes > 500 && bytes <= 1_500, `${bytes} bytes`);
});
