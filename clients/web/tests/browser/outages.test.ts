import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { browser, person, Server } from "./stage.js";

let server: Server;
let window: Browser;

before(async () => {
  [server, window] = await Promise.all([Server.start("--store", "sqlite:chat.db"), browser()]);
});

after(async () => {
  await window?.close();
  await server?.end();
});

test("what is written while the server is away waits, survives a reload, and arrives once and in order", async () => {
  const [alice, bob] = await Promise.all([person(window, server, "alice"), person(window, server, "bob")]);
  await alice.open("bob");
  await alice.write("before");
  await bob.place("alice").click();
  await bob.message("before").waitFor();
  await server.kill();
  await alice.page.getByText("The server can't be reached.").waitFor();
  for (const text of ["first", "second"]) await alice.write(text);
  await alice.message("second").getByText("Sending").waitFor();
  await alice.page.getByRole("textbox", { name: "Message to bob" }).fill("a draft");
  await server.start();
  await alice.message("second").getByText("Read").waitFor();
  await server.kill();
  await alice.page.getByRole("textbox", { name: "Message to bob" }).fill("third");
  await alice.page.keyboard.press("Enter");
  await alice.page.getByRole("textbox", { name: "Message to bob" }).fill("a draft");
  await server.start();
  // Before the page has connected again, perhaps: the message is kept with its id in any case.
  await alice.page.reload();
  await bob.message("third").waitFor();
  const texts = await bob.page.locator(".message .text").allInnerTexts();
  assert.deepEqual(texts, ["before", "first", "second", "third"]);
  await alice.message("third").waitFor();
  assert.equal(await alice.page.getByRole("textbox", { name: "Message to bob" }).inputValue(), "a draft");
  await alice.page.getByText("The server can't be reached.").waitFor({ state: "detached" });
  assert.deepEqual([alice.errors, bob.errors], [[], []]);
});

test("a device that is offline says so, and catches up when it is back", async () => {
  const [carol, dave] = await Promise.all([person(window, server, "carol"), person(window, server, "dave")]);
  await carol.open("dave");
  await carol.write("Are you there?");
  await dave.place("carol").click();
  await dave.message("Are you there?").waitFor();
  await dave.context.setOffline(true);
  await dave.write("written offline");
  await carol.write("meanwhile");
  await carol.message("meanwhile").getByText("Sent").waitFor();
  await dave.context.setOffline(false);
  await carol.message("written offline").waitFor();
  await dave.message("meanwhile").waitFor();
  assert.deepEqual([carol.errors, dave.errors], [[], []]);
});

test("a message that the server refuses stays, with the reason, and can be sent again", async () => {
  const strict = await Server.start("--store", "memory", "--rate-limit", "1/2s", "--mute", "1s");
  try {
    const erin = await person(window, strict, "erin");
    await erin.open("frank");
    await erin.write("one");
    await erin.write("two");
    await erin.message("two").getByText(/^You are muted|^Too many messages/).waitFor();
    // Until the time is up it is refused again.
    await assert.doesNotReject(async () => {
      while (await erin.message("two").getByRole("button", { name: "Try again" }).isVisible()) {
        await erin.message("two").getByRole("button", { name: "Try again" }).click();
        await erin.message("two").getByText(/^Sent|^You are muted|^Too many messages/).waitFor();
      }
    });
    await erin.write("a gun");
    await erin.message("a gun").getByRole("button", { name: "Discard" }).click();
    await erin.message("a gun").waitFor({ state: "detached" });
    assert.deepEqual(erin.errors, []);
  } finally {
    await strict.end();
  }
});

test("of a long conversation only what can be seen is in the document, and it keeps its place", async () => {
  const MESSAGES = 600;
  const [gina, hank] = await Promise.all([person(window, server, "gina"), person(window, server, "hank")]);
  await hank.open("gina");
  for (let from = 0; from < MESSAGES; from += 50) {
    const sends = Array.from({ length: 50 }, (_, n) =>
      fetch(`${server.url}/v1/rooms/gina,hank/messages`, {
        method: "POST",
        headers: { authorization: "Bearer hank", "content-type": "application/json" },
        body: JSON.stringify({ text: `message ${from + n}${n % 7 === 0 ? "\nwith\nmore lines" : ""}` }),
      }),
    );
    for (const { ok } of await Promise.all(sends)) assert(ok);
  }
  await gina.place("hank").getByText("99+").waitFor();
  await gina.place("hank").click();
  const rows = gina.page.getByRole("list", { name: /^Messages with/ }).getByRole("listitem");
  await rows.last().filter({ hasText: "message" }).waitFor();
  const scroller = gina.page.locator(".scroller");
  const atEnd = (): Promise<boolean> =>
    scroller.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2);
  assert(await atEnd(), "it begins at its end");
  // With the keyboard to the beginning of what is there, again and again, until the conversation begins.
  await rows.last().focus();
  while (!(await gina.page.getByText("This is the beginning of your conversation").isVisible())) {
    await gina.page.keyboard.press("Home");
    await gina.page.waitForFunction(() => document.activeElement?.closest("[role=listitem]") !== null);
    assert((await rows.count()) < 120, `${await rows.count()} rows are in the document`);
  }
  // Somebody reads in the middle, and a message comes.
  await scroller.evaluate((box) => (box.scrollTop = box.scrollHeight / 2));
  const middle = (): Promise<{ text: string; y: number } | undefined> =>
    scroller.evaluate((box) => {
      const { x, y, height } = box.getBoundingClientRect();
      const text = document.elementFromPoint(x + 100, y + height / 2)?.closest("[role=listitem]")?.querySelector(".text");
      return text ? { text: text.textContent ?? "", y: text.getBoundingClientRect().y } : undefined;
    });
  // What was guessed of the rows there is measured, and then nothing moves.
  let before = await middle();
  for (let still = 0; still < 5; still++) {
    await gina.page.evaluate(() => new Promise(requestAnimationFrame));
    const now = await middle();
    if (now?.text !== before?.text || now?.y !== before?.y) still = 0;
    before = now;
  }
  assert(before);
  await hank.write("news");
  await gina.page.getByRole("button", { name: "1 new message" }).waitFor();
  assert.deepEqual(await middle(), before);
  await gina.page.getByRole("button", { name: "1 new message" }).click();
  await gina.message("news").waitFor();
  await hank.message("news").getByText("Read").waitFor();
  assert.deepEqual([gina.errors, hank.errors], [[], []]);
});
