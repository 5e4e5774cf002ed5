import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

// Beside the sources, and not beside this file as it was compiled.
const { files, FOLDER } = (await import(
  new URL("../../../bundle.mjs", import.meta.url).href
)) as typeof import("../../bundle.mjs");

/** The most that a visitor's browser gets for the page. */
const LIMIT = 90_000;

test("what is committed is what the sources are built to", async () => {
  const built = await files();
  const names = [...built.keys()].flatMap((name) => [name, `${name}.gz`]).sort();
  assert.deepEqual(readdirSync(FOLDER).sort(), names, "run `npm run bundle` in clients/web, and commit what it writes");
  for (const [name, bytes] of built) {
    const committed = readFileSync(FOLDER + name);
    assert(committed.equals(bytes), `${name} is of before: run \`npm run bundle\` in clients/web, and commit it`);
    // Another version of zlib may compress in another way.
    assert(gunzipSync(readFileSync(`${FOLDER}${name}.gz`)).equals(bytes), `${name}.gz is of before`);
  }
});

test("the page has at most 90 KB compressed, and so has the widget", (context) => {
  const size = (...names: string[]): number =>
    names.reduce((sum, name) => sum + readFileSync(`${FOLDER}${name}.gz`).length, 0);
  const page = size("index.html", "app.js", "app.css", "icon.svg", "manifest.json");
  context.diagnostic(`${page} bytes, the widget ${size("widget.js")}`);
  assert(page > 1_000 && page <= LIMIT, `${page} bytes`);
  assert(size("widget.js") <= LIMIT);
});

test("the page has no script and no style in its HTML, and nothing from elsewhere", () => {
  const html = ["index.html", "admin.html"].map((name) => readFileSync(FOLDER + name, "utf8"));
  for (const text of html) assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc="app\/)|https?:/);
  for (const name of ["app.css", "app.js", "admin.js"]) {
    const elsewhere = readFileSync(FOLDER + name, "utf8").match(/(?:url\(|@import|import\()[^)]*/g);
    assert.equal(elsewhere, null, name);
  }
});
