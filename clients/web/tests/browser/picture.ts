import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import pixelmatch from "pixelmatch";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";

/** The committed pictures, and where those go that were just taken; both as seen from the compiled file. */
const COMMITTED = new URL("../../../../../docs/pictures/", import.meta.url);
const TAKEN = new URL("../../pictures/", import.meta.url);

/** The part of the pixels that may differ. A message at another place changes more. */
const TOLERANCE = 0.005;

/** The advice after a failed comparison. */
const SETTLE = `look at ${TAKEN.pathname}; if the page is meant to look so, run the test with CHAT_PICTURES=update`;

/** Makes the same what changes from run to run. */
async function settle(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await document.fonts.ready;
    const roots = [...document.querySelectorAll("chat-widget")].flatMap(({ shadowRoot }) => shadowRoot ?? []);
    const times = [document, ...roots].flatMap((root) => [...root.querySelectorAll("time")]);
    for (const { firstChild } of times) if (firstChild) firstChild.nodeValue = "12:00";
  });
}

/** True if the page has the letters of the committed pictures, those of Debian. */
function hasTheFont(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const context = document.createElement("canvas").getContext("2d");
    const width = (font: string): number | undefined => {
      if (context) context.font = `40px ${font}`;
      return context?.measureText("Shall we meet at noon?").width;
    };
    const own = width("system-ui");
    return own === width('"DejaVu Sans", monospace') && own === width('"DejaVu Sans", serif');
  });
}

/**
 * Compares how a page looks with the committed picture of this name. `CHAT_PICTURES=update` replaces that one. With
 * other fonts than those of Debian, nothing can be compared.
 */
export async function looksAs(page: Page, name: string): Promise<void> {
  await settle(page);
  const bytes = await page.screenshot({ animations: "disabled", caret: "hide", scale: "css" });
  mkdirSync(TAKEN, { recursive: true });
  writeFileSync(new URL(`${name}.png`, TAKEN), bytes);
  const committed = new URL(`${name}.png`, COMMITTED);
  if (process.env["CHAT_PICTURES"] === "update") return writeFileSync(committed, bytes);
  if (!(await hasTheFont(page))) return;
  const [taken, before] = [PNG.sync.read(bytes), PNG.sync.read(readFileSync(committed))];
  const { width, height } = taken;
  if (before.width !== width || before.height !== height) throw new Error(`${name} has another size: ${SETTLE}`);
  const different = pixelmatch(taken.data, before.data, undefined, width, height);
  if (different > TOLERANCE * width * height) throw new Error(`${different} pixels of ${name} differ: ${SETTLE}`);
}
