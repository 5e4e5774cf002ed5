import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { browser, choose, details, make, type Person, person, Server } from "./stage.js";

let server: Server;
let window: Browser;
let alice: Person;
let bob: Person;
let carol: Person;

before(async () => {
  [server, window] = await Promise.all([Server.start("--store", "memory"), browser()]);
  [alice, bob, carol] = await Promise.all([
    person(window, server, "alice"),
    person(window, server, "bob"),
    person(window, server, "carol"),
  ]);
});

after(async () => {
  await window?.close();
  await server?.end();
});

test("a group is made, and its members get roles, are removed, banned and leave", async () => {
  await make(alice, "Garden", ["bob", "carol"]);
  await alice.write("Welcome");
  for (const one of [bob, carol]) {
    await one.place("Garden").click();
    await one.message("Welcome").waitFor();
  }
  const panel = await details(alice);
  await panel.getByText("3 members").waitFor();
  await choose(alice, "Actions for bob", "Make moderator");
  await panel.getByRole("listitem").filter({ hasText: "bob" }).getByText("moderator").waitFor();
  const ofBob = await details(bob);
  await choose(bob, "Actions for carol", "Remove");
  await bob.page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await ofBob.getByText("2 members").waitFor();
  await carol.page.getByText("You are no longer a member of this conversation.").waitFor();
  await carol.place("Garden").waitFor({ state: "detached" });
  await choose(alice, "Actions for bob", "Ban");
  await alice.page.getByRole("dialog").getByRole("button", { name: "Ban" }).click();
  await panel.getByText("1 member").waitFor();
  await panel.getByRole("button", { name: "Show who is banned" }).click();
  await panel.getByRole("button", { name: "Lift the ban of bob" }).click();
  await panel.getByText("Nobody is banned.").waitFor();
  await panel.getByRole("combobox", { name: "Add somebody" }).fill("bob");
  await alice.page.keyboard.press("Enter");
  await panel.getByText("2 members").waitFor();
  await bob.place("Garden").click();
  await (await details(bob)).getByRole("button", { name: "Leave" }).click();
  await bob.page.getByRole("dialog").getByRole("button", { name: "Leave" }).click();
  await bob.place("Garden").waitFor({ state: "detached" });
  await panel.getByText("1 member").waitFor();
});

test("a link lets somebody in, once they are logged in", async () => {
  await make(alice, "Choir", []);
  const panel = await details(alice);
  await panel.getByRole("button", { name: "Make a link for a week" }).click();
  const link = await panel.getByRole("textbox", { name: "Link of the invitation" }).inputValue();
  await carol.page.goto(link);
  await carol.page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await carol.page.getByRole("region", { name: "Conversation: Choir" }).waitFor();
  assert(!carol.page.url().includes("invite"), carol.page.url());
  const context = await window.newContext();
  const dave = await context.newPage();
  await dave.goto(link);
  await dave.getByRole("textbox", { name: "Your name" }).fill("dave");
  await dave.reload();
  await dave.getByRole("textbox", { name: "Your name" }).fill("dave");
  await dave.getByRole("button", { name: "Log in" }).click();
  await dave.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await dave.getByText("dave joined").waitFor();
  await alice.message("dave joined").waitFor();
  await context.close();
  await panel.getByRole("button", { name: "Take back" }).click();
  await panel.getByRole("textbox", { name: "Link of the invitation" }).waitFor({ state: "detached" });
  await bob.page.goto(link);
  await bob.page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await bob.page.getByRole("dialog").getByRole("alert").getByText(/./).waitFor();
  await bob.page.keyboard.press("Escape");
  await bob.page.getByRole("dialog").waitFor({ state: "detached" });
});

test("an owner says who writes, and how the room is called", async () => {
  await make(alice, "News", ["bob"]);
  const panel = await details(alice);
  await panel.getByRole("combobox", { name: "Who writes" }).selectOption("moderators");
  await bob.place("News").click();
  await bob.page.getByText("Only moderators write here.").waitFor();
  await panel.getByRole("combobox", { name: "Who writes" }).selectOption("everyone");
  await panel.getByRole("textbox", { name: "Name" }).fill("Old news");
  await panel.getByRole("textbox", { name: "Topic" }).fill("What was");
  await panel.getByRole("button", { name: "Save" }).click();
  await bob.page.getByRole("region", { name: "Conversation: Old news" }).getByText("2 members · What was").waitFor();
  await bob.place("Old news").waitFor();
  await bob.write("So it is");
  await alice.message("So it is").waitFor();
  await panel.getByRole("switch", { name: "Archived: read only" }).click();
  await bob.page.getByText("This conversation is archived: it can be read only.").waitFor();
});

test("a channel is found by its name and joined", async () => {
  await make(alice, "Announcements", [], true);
  await make(alice, "Random talk", [], true);
  await choose(bob, "New conversation", "Find a channel");
  const dialog = bob.page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Join Random talk" }).waitFor();
  await dialog.getByRole("searchbox").fill("announce");
  await dialog.getByRole("button", { name: "Join Random talk" }).waitFor({ state: "detached" });
  await dialog.getByRole("button", { name: "Join Announcements" }).click();
  await bob.page.getByRole("region", { name: "Conversation: Announcements" }).getByText("2 members").waitFor();
});

test("the inbox is in the order of the newest messages, pinned ones first, and is filtered and searched", async () => {
  await alice.open("bob");
  await alice.write("One");
  await alice.open("carol");
  await alice.write("Two");
  const names = (): Promise<string[]> => alice.page.locator(".places .name").allInnerTexts();
  assert.deepEqual((await names()).slice(0, 2), ["carol", "bob"]);
  await alice.place("bob").click();
  await (await details(alice)).getByRole("switch", { name: "Pinned to the top" }).click();
  await alice.page.getByRole("list", { name: "Pinned" }).getByRole("link").filter({ hasText: "bob" }).waitFor();
  assert.deepEqual((await names()).slice(0, 2), ["bob", "carol"]);
  await alice.page.getByRole("searchbox", { name: "Search conversations" }).fill("choi");
  await alice.place("bob").waitFor({ state: "detached" });
  assert.deepEqual(await names(), ["Choir"]);
  await alice.page.getByRole("searchbox", { name: "Search conversations" }).fill("");
  await alice.page.getByRole("switch", { name: "Hidden until the next message" }).click();
  await alice.place("bob").waitFor({ state: "detached" });
  await alice.page.getByRole("button", { name: "Hidden", exact: true }).click();
  await alice.place("bob").waitFor();
  await alice.page.getByRole("button", { name: "All", exact: true }).click();
  await bob.open("alice");
  await bob.write("Three");
  await alice.place("bob").getByText("Three").waitFor();
  await alice.place("carol").click();
  await bob.write("Four");
  await alice.page.getByRole("button", { name: "Unread", exact: true }).click();
  await alice.place("carol").waitFor({ state: "detached" });
  await alice.place("bob").getByText("1 unread").waitFor();
  await alice.page.getByRole("button", { name: "All", exact: true }).click();
  assert.deepEqual([alice.errors, bob.errors, carol.errors], [[], [], []]);
});

test("who is blocked can't write, and is told no more than that", async () => {
  await alice.open("bob");
  await (await details(alice)).getByRole("button", { name: "Block bob" }).click();
  await alice.page.getByRole("dialog").getByRole("button", { name: "Block" }).click();
  await alice.page.getByRole("button", { name: "Unblock bob" }).waitFor();
  await bob.open("alice");
  await bob.write("Hello?");
  await bob.message("Hello?").getByRole("button", { name: "Discard" }).click();
  await bob.message("Hello?").waitFor({ state: "detached" });
  await alice.page.getByRole("button", { name: "Unblock bob" }).click();
  await alice.page.getByRole("button", { name: "Block bob" }).waitFor();
  await bob.write("Hello again");
  await alice.message("Hello again").waitFor();
});
