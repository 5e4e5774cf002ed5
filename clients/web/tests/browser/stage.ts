import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AxeResults } from "axe-core";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** The time that anything may take on a busy machine. */
export const PATIENCE = 30_000;

/** The program of the server, and the browser. */
export const SERVER = process.env["CHAT_SERVER"] ?? "chat-server";
const CHROMIUM = process.env["CHROMIUM"] ?? "chromium";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Limits that a test may meet without wanting to; a flag has the last word. */
const NO_LIMITS = { CHAT_RATE_LIMIT: "off", CHAT_REQUESTS_PER_IP: "off", CHAT_REQUESTS_PER_USER: "off" };

export async function freePort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => listener.once("listening", done));
  const { port } = listener.address() as { port: number };
  await new Promise((done) => listener.close(done));
  return port;
}

/** A chat-server, which can be killed and started again. */
export class Server {
  readonly url: string;
  readonly #arguments: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "chat-web-"));
  #process: ChildProcess | undefined;

  private constructor(port: number, more: readonly string[]) {
    this.url = `http://127.0.0.1:${port}`;
    this.#arguments = ["--listen", `127.0.0.1:${port}`, "--log", "warn", ...more];
  }

  static async start(...more: string[]): Promise<Server> {
    const server = new Server(await freePort(), more);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const env = { ...process.env, ...NO_LIMITS };
    const child = spawn(SERVER, this.#arguments, { cwd: this.#folder, env, stdio: ["ignore", "ignore", "inherit"] });
    this.#process = child;
    // Also when the test has failed before it could end it.
    process.once("exit", () => child.kill("SIGKILL"));
    const end = Date.now() + PATIENCE;
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || Date.now() > end) throw new Error(`the server is not ready: ${child.exitCode}`);
      await sleep(20);
    }
  }

  async #isReady(): Promise<boolean> {
    return fetch(`${this.url}/ready`).then(({ ok }) => ok, () => false);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts the browser that all people of a test use, each in a window that shares nothing with the others. */
export function browser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

/** Somebody at a browser, and everything that has gone wrong in it. */
export class Person {
  readonly name: string;
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the page, among them violations of its policy. */
  readonly errors: string[] = [];

  constructor(name: string, context: BrowserContext, page: Page) {
    this.name = name;
    this.context = context;
    this.page = page;
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      // That the server is away is no error of the page.
      const network = /Failed to load resource|WebSocket connection to/.test(message.text());
      if (message.type() === "error" && !network) this.errors.push(message.text());
    });
  }

  /** Writes into the conversation that is open. */
  async write(text: string): Promise<void> {
    const field = this.page.getByRole("textbox", { name: /^Message to/ });
    await field.fill(text);
    await field.press("Enter");
  }

  /** A message in the conversation that is open. */
  message(text: string) {
    return this.page.getByRole("list", { name: /^Messages with/ }).getByRole("listitem").filter({ hasText: text });
  }

  /** The conversation in the inbox. */
  place(name: string) {
    const title = this.page.locator(".name").getByText(name, { exact: true });
    return this.page.getByRole("navigation").getByRole("link").filter({ has: title });
  }

  /** Begins a conversation with somebody, with the keyboard alone. */
  async open(other: string): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "New conversation" }).focus();
    await page.keyboard.press("Enter");
    await page.locator("[role=menuitem]:focus").waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("combobox", { name: "To whom?" }).fill(other);
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: `Conversation: ${other}` }).waitFor();
  }
}

/** Opens a window for somebody, and logs in by name. */
export async function person(
  browser: Browser,
  server: Server,
  name: string,
  options: BrowserContextOptions = {},
): Promise<Person> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", ...options });
  const one = new Person(name, context, await context.newPage());
  await one.page.goto(`${server.url}/app`);
  await one.page.getByRole("textbox", { name: "Your name" }).fill(name);
  await one.page.getByRole("button", { name: "Log in" }).click();
  await one.page.getByRole("navigation", { name: "Conversations" }).waitFor();
  return one;
}

/** Opens what there is to know of the conversation. */
export async function details({ page }: Person) {
  const button = page.getByRole("button", { name: "Details", exact: true });
  if ((await button.getAttribute("aria-expanded")) === "false") await button.click();
  return page.getByRole("complementary", { name: "Details" });
}

/** Chooses from a menu. */
export async function choose({ page }: Person, menu: string, item: string): Promise<void> {
  await page.getByRole("button", { name: menu, exact: true }).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}

/** Makes a group or channel. */
export async function make(who: Person, name: string, members: string[], channel = false): Promise<void> {
  await choose(who, "New conversation", "New group or channel");
  const dialog = who.page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill(name);
  if (channel) await dialog.getByRole("radio", { name: /^Channel/ }).check();
  for (const member of members) {
    await dialog.getByRole("combobox", { name: "Add people" }).fill(member);
    await who.page.keyboard.press("Enter");
    await dialog.getByRole("list", { name: "People to add" }).getByText(member).waitFor();
  }
  await dialog.getByRole("button", { name: "Create" }).click();
  await who.page.getByRole("region", { name: `Conversation: ${name}` }).waitFor();
}

/** The faults that axe finds against WCAG 2.2 AA and its best practices, light and dark, and too wide a page. */
export async function faults({ page }: Person): Promise<string[]> {
  await page.evaluate(AXE);
  const look = (only: string[]): Promise<AxeResults> =>
    page.evaluate((only) => {
      const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<AxeResults> } };
      return axe.run(only.length > 0 ? { runOnly: only } : {});
    }, only);
  const light = await look([]);
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await look(["color-contrast"]);
  await page.emulateMedia({ colorScheme: "light" });
  const found = [...light.violations, ...dark.violations].map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`,
  );
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  return wide > 0 ? [...found, `the page is ${wide} pixels too wide`] : found;
}
