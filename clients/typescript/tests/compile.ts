import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

/** The blocks of code in a document, by the number of the recipe that they are, else by their place. */
export function blocksOf(document: string, language: string): Map<string, string> {
  const pattern = new RegExp(`^(?:### (\\d+)\\.[^\`]*)?\`\`\`${language}\n(.*?)^\`\`\``, "gms");
  const blocks = [...readFileSync(document, "utf8").matchAll(pattern)];
  return new Map(blocks.map(([, recipe, code = ""], n) => [recipe ? `recipe-${recipe}` : `${n}`, code]));
}

/**
 * Compiles the blocks of code in a document, each as a file of its own in the folder `build/NAME` of the package at
 * `root` that knows the packages at `paths`, to `build/NAME/js`. Fails when one does not compile, or there are fewer
 * than `least`.
 */
export function compile(
  document: string,
  [root, name]: readonly [root: string, name: string],
  language: "ts" | "tsx",
  least: number,
  paths: Record<string, string>,
): void {
  const blocks = blocksOf(document, language);
  assert(blocks.size >= least, `${blocks.size} blocks`);
  const folder = `${root}build/${name}/`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [block, code] of blocks) writeFileSync(`${folder}${block}.${language}`, `${code}\nexport {};\n`);
  const config = {
    extends: "../../../tsconfig.json",
    compilerOptions: {
      rootDir: "../../..",
      outDir: "js",
      declaration: false,
      types: ["node"],
      noUnusedLocals: false,
      jsx: "react-jsx",
      paths: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, [`../../${path}`]])),
    },
  };
  writeFileSync(`${folder}tsconfig.json`, JSON.stringify(config));
  const compiler = `${root}../node_modules/typescript/bin/tsc`;
  execFileSync(process.execPath, [compiler, "-p", folder], { stdio: ["ignore", "inherit", "inherit"] });
}
