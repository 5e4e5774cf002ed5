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

test("two people write, see what becomes of it, edit and delete", async () => {
  const [alice, bob] = await Promise.all([person(window, server, "alice"), person(window, server, "bob")]);
  await alice.open("bob");
  await alice.write("Shall we meet at noon?");
  await alice.message("Shall we meet at noon?").getByText("Delivered").waitFor();
  assert.match(await bob.page.title(), /^\(1\)/);
  await bob.place("alice").click();
  await bob.message("Shall we meet at noon?").waitFor();
  await alice.message("Shall we meet at noon?").getByText("Read").waitFor();
  await bob.page.getByRole("textbox", { name: "Message to alice" }).pressSequentially("Ye");
  await alice.page.getByText("bob is typing…").waitFor();
  await bob.write("Yes");
  await alice.message("Yes").waitFor();
  // With the keyboard: the last message, from the empty field.
  await bob.page.keyboard.press("ArrowUp");
  await bob.page.keyboard.type(", at the *old* <b>bridge</b>");
  await bob.page.keyboard.press("Enter");
  await alice.message("Yes, at the *old* <b>bridge</b> (edited)").waitFor();
  await alice.message("Shall we meet at noon?").hover();
  await alice.message("Shall we meet at noon?").getByRole("button", { name: "Delete" }).click();
  await alice.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await bob.message("This message was deleted.").waitFor();
  assert.deepEqual([alice.errors, bob.errors], [[], []]);
});
