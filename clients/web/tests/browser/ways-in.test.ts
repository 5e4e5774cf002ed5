import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as Pages } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { looksAs } from "./picture.js";
import { browser, Person, person, Server, SERVER } from "./stage.js";

const folder = mkdtempSync(join(tmpdir(), "chat-keys-"));
const key = join(folder, "key");
const login = ["--auth", "jwt", "--jwt-key-file", key, "--jwt-audience", "chat", "--jwt-issuer", "test"];

let window: Browser;

before(async () => {
  writeFileSync(key, "0123456789abcdef0123456789abcdef", { mode: 0o600 });
  window = await browser();
});

after(async () => {
  await window?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A token as the service of an embedder signs it. */
function token(user: string, ttl = "1h"): string {
  return execFileSync(SERVER, ["token", user, "--ttl", ttl, ...login.slice(2)], { encoding: "utf8" }).trim();
}

/** Somebody who has opened nothing yet. */
async function stranger(name: string): Promise<Person> {
  const context = await window.newContext({ locale: "en-GB" });
  return new Person(name, context, await context.newPage());
}

/** A site that is not the server's. */
async function site(html: () => string): Promise<{ origin: string; pages: Pages }> {
  const pages = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html());
  }).listen(0, "127.0.0.1");
  await new Promise((done) => pages.once("listening", done));
  return { origin: `http://127.0.0.1:${(pages.address() as { port: number }).port}`, pages };
}

test("a token is typed in, or comes in the address, where it is no longer then", async () => {
  const server = await Server.start("--store", "memory", ...login);
  try {
    const alice = await stranger("alice");
    await alice.page.goto(`${server.url}/app`);
    await alice.page.getByLabel("Your token").fill("not a token");
    await alice.page.getByRole("button", { name: "Log in" }).click();
    await alice.page.getByRole("alert").getByText("The server does not take this login.").waitFor();
    await alice.page.getByLabel("Your token").fill(token("alice"));
    await alice.page.getByRole("button", { name: "Log in" }).click();
    await alice.page.getByRole("heading", { name: "alice" }).waitFor();
    const bob = await stranger("bob");
    await bob.page.goto(`${server.url}/app#token=${token("bob")}`);
    await bob.page.getByRole("heading", { name: "bob" }).waitFor();
    assert.equal(bob.page.url(), `${server.url}/app`);
    await bob.page.reload();
    await bob.page.getByRole("heading", { name: "bob" }).waitFor();
    await bob.page.getByRole("button", { name: "Settings" }).click();
    await bob.page.getByRole("menuitem", { name: "Log out" }).click();
    await bob.page.getByLabel("Your token").waitFor();
    await bob.page.reload();
    await bob.page.getByLabel("Your token").waitFor();
    assert.deepEqual([alice.errors, bob.errors], [[], []]);
  } finally {
    await server.end();
  }
});

test("a page of the embedder gives the token, and another one when that has ended", async () => {
  let server: Server | undefined;
  let ttl = "2s";
  const { origin, pages } = await site(
    () => `<a href="${server?.url}/app#token=${token("carol", ttl)}">Go on as carol</a>`,
  );
  server = await Server.start("--store", "memory", "--web-login-url", `${origin}/login`, ...login);
  try {
    const carol = await stranger("carol");
    await carol.page.goto(`${server.url}/app`);
    for (const _ of ["the first token", "after its end"]) {
      await carol.page.getByRole("link", { name: "Log in" }).click();
      await carol.page.getByRole("link", { name: "Go on as carol" }).click();
      await carol.page.getByRole("heading", { name: "carol" }).waitFor();
      if (ttl === "2s") await carol.page.getByText("Your login has ended.").waitFor();
      ttl = "1h";
    }
    assert.deepEqual(carol.errors, []);
  } finally {
    await server.end();
    pages.close();
  }
});

test("one script tag puts a conversation on a page, whose styles it neither takes nor changes", async () => {
  let server: Server | undefined;
  const { origin, pages } = await site(
    () => `<!doctype html><title>Shop</title>
      <style>* { color: rgb(255, 0, 0) !important; } textarea, form { display: none !important; }</style>
      <script src="${server?.url}/app/widget.js" defer></script>
      <h1>Shop</h1>
      <chat-widget user="support" token="erin"></chat-widget>`,
  );
  server = await Server.start("--store", "memory", "--cors-origin", `${origin},http://127.0.0.1:1`);
  const own = await Server.start("--store", "memory", "--cors-origin", "http://127.0.0.1:1");
  try {
    const erin = await stranger("erin");
    await erin.page.goto(origin);
    await erin.page.getByRole("region", { name: "Conversation: support" }).waitFor();
    await erin.write("I need help");
    await erin.message("I need help").getByText("Sent").waitFor();
    await looksAs(erin.page, "widget");
    const color = (selector: string): Promise<string> =>
      erin.page.locator(selector).first().evaluate((one) => getComputedStyle(one).color);
    assert.notEqual(await color(".message .text"), "rgb(255, 0, 0)");
    assert.equal(await color("h1"), "rgb(255, 0, 0)");
    // As a property, and as a function.
    await erin.page.evaluate(() => {
      const other = document.createElement("chat-widget") as HTMLElement & { token: unknown };
      other.setAttribute("user", "erin");
      other.id = "other";
      other.token = async () => "support";
      document.body.append(other);
    });
    const other = erin.page.locator("#other");
    await other.getByText("I need help").waitFor();
    await other.getByRole("textbox", { name: "Message to erin" }).fill("Here I am");
    await other.getByRole("button", { name: "Send" }).click();
    await erin.page.locator("chat-widget[user=support] .text").getByText("Here I am").waitFor();
    await erin.page.evaluate(() => document.querySelector("#other")?.remove());
    await erin.page.getByText(/^Last seen|^Offline/).waitFor();
    assert.deepEqual(erin.errors, []);
    // A server that does not know the page.
    const closed = server;
    server = own;
    await erin.page.goto(origin);
    await erin.page.getByText("The server can't be reached.").waitFor();
    server = closed;
  } finally {
    await Promise.all([server.end(), own.end()]);
    pages.close();
  }
});

test("news are in the title and, if the user wants them, in notifications", async () => {
  const server = await Server.start("--store", "memory");
  try {
    const gina = await stranger("gina");
    await gina.context.grantPermissions(["notifications"], { origin: server.url });
    await gina.context.addInitScript(() => {
      const shown: string[] = [];
      Object.assign(globalThis, { shown });
      class Shown {
        static readonly permission = "default";
        static readonly requestPermission = async () => "granted";
        onclick = () => {};
        constructor(title: string, { body }: NotificationOptions) {
          shown.push(`${title}: ${body}`);
          Object.assign(globalThis, { last: this });
        }
        close(): void {}
      }
      Object.assign(globalThis, { Notification: Shown });
    });
    await gina.page.goto(`${server.url}/app`);
    await gina.page.getByRole("textbox", { name: "Your name" }).fill("gina");
    await gina.page.getByRole("button", { name: "Log in" }).click();
    await gina.page.getByRole("button", { name: "Settings" }).click();
    await gina.page.getByRole("menuitem", { name: "Notifications: off" }).click();
    const hank = await person(window, server, "hank");
    await hank.open("gina");
    await hank.write("Dinner?");
    await gina.page.waitForFunction(() => (globalThis as unknown as { shown: string[] }).shown.length > 0);
    const shown = await gina.page.evaluate(() => (globalThis as unknown as { shown: string[] }).shown);
    assert.deepEqual(shown, ["hank: Dinner?"]);
    assert.match(await gina.page.title(), /^\(1\)/);
    await gina.page.evaluate(() => (globalThis as unknown as { last: { onclick(): void } }).last.onclick());
    await gina.message("Dinner?").waitFor();
    await gina.page.waitForFunction(() => !document.title.startsWith("("));
    assert.deepEqual(gina.errors, []);
  } finally {
    await server.end();
  }
});
