// Builds the page and the widget. `npm run bundle` writes them to where chat-server takes them from.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));

/** The folder of the built files, which are committed. */
export const FOLDER = fileURLToPath(new URL("../../chat-server/web/", import.meta.url));

const COMMON = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  write: false,
  platform: "browser",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  legalComments: "none",
  // The sources of the client, so that it need not be built before.
  alias: { "@chat-engine/client": fileURLToPath(new URL("../typescript/src/index.ts", import.meta.url)) },
};

async function one(options) {
  const { outputFiles } = await build({ ...COMMON, ...options });
  return Buffer.from(outputFiles[0].contents);
}

/** All files by name, without their compressed copies. */
export async function files() {
  const styles = await one({ entryPoints: ["src/styles/widget.css"] });
  const found = new Map([
    ["app.js", await one({ entryPoints: ["src/app.tsx"], format: "esm" })],
    ["admin.js", await one({ entryPoints: ["src/admin.tsx"], format: "esm" })],
    ["app.css", await one({ entryPoints: ["src/styles/app.css"] })],
    [
      "widget.js",
      await one({ entryPoints: ["src/widget.tsx"], format: "iife", define: { STYLES: JSON.stringify(String(styles)) } }),
    ],
  ]);
  for (const name of readdirSync(`${here}public`)) found.set(name, readFileSync(`${here}public/${name}`));
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, bytes] of await files()) {
    const gzip = gzipSync(bytes, { level: 9 });
    writeFileSync(FOLDER + name, bytes);
    writeFileSync(`${FOLDER}${name}.gz`, gzip);
    console.log(`${name}: ${bytes.length} bytes, ${gzip.length} compressed`);
  }
}
