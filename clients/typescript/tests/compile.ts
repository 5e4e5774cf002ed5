import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

/**
 * Compiles the blocks of code in the `README.md` of the package at `root`, each as a file of its own in `build/readme`
 * that knows the packages at `paths`. Fails when one does not compile, or there are fewer than `least`.
 */
export function compileReadme(root: string, language: "ts" | "tsx", least: number, paths: Record<string, string>): void {
  const readme = readFileSync(`${root}README.md`, "utf8");
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code ?? "");
  assert(blocks.length >= least, `${blocks.length} blocks`);
  const folder = `${root}build/readme/`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [n, code] of blocks.entries()) writeFileSync(`${folder}${n}.${language}`, `${code}\nexport {};\n`);
  const config = {
    extends: "../../../tsconfig.json",
    compilerOptions: {
      noEmit: true,
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
