import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bytes of everything that a file exports, bundled for browsers without these packages, and compressed. */
export async function size(file: string, external: string[] = []): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external,
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}
