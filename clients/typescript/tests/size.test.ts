import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Bytes of everything that the package exports there, bundled for browsers and compressed. */
async function size(entry: string): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [`${root}src/${entry}.ts`],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

test("the whole client has at most 12 KB compressed", async (context) => {
  const bytes = await size("index");
  context.diagnostic(`${bytes} bytes`);
  assert(bytes > 1_000 && bytes <= 12_000, `${bytes} bytes`);
});

test("the package needs no other at run time", () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
});
