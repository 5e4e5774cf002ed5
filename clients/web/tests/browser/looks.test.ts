import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { looksAs } from "./picture.js";
import { browser, details, faults, make, Person, person, Server } from "./stage.js";

const PHONE: BrowserContextOptions = { viewport: { width: 375, height: 740 }, hasTouch: true, isMobile: true };
const DESK: BrowserContextOptions = { viewport: { width: 1440, height: 900 } };

let server: Server;
let window: Browser;

before(async () => {
  [server, window] = await Promise.all([Server.start("--store", "memory"), browser()]);
});

after(async () => {
  await window?.close();
  await server?.end();
});

for (const [device, size] of [
  ["desk", DESK],
  ["phone", PHONE],
] as const) {
  test(`on a ${device} nothing is in the way of anybody`, async () => {
    const context = await window.newContext(size);
    const stranger = new Person("", context, await context.newPage());
    await stranger.page.goto(`${server.url}/app`);
    await stranger.page.getByRole("button", { name: "Log in" }).waitFor();
    assert.deepEqual(await faults(stranger), []);
    const anna = await person(window, server, `Anna ${device}`, size);
    const { page } = anna;
    const check = async (what: string): Promise<void> => assert.deepEqual(await faults(anna), [], what);
    await page.getByText("You have no conversations yet.").waitFor();
    await check("empty");
    await page.getByRole("button", { name: "Write to somebody" }).click();
    await page.getByRole("combobox", { name: "To whom?" }).fill("ben");
    await check("new");
    await page.keyboard.press("Enter");
    await anna.message("beginning of your conversation").waitFor();
    for (const text of ["Hello", "How are you?", "https://example.org/a/rather/long/address?".padEnd(200, "x")]) {
      await page.getByRole("textbox", { name: "Message to ben" }).fill(text);
      await page.getByRole("button", { name: "Send" }).click();
    }
    await anna.message("https://example.org").getByText("Sent").waitFor();
    await check("conversation");
    if (device === "phone") await page.getByRole("button", { name: "Back to the inbox" }).click();
    await page.getByRole("button", { name: "New conversation" }).click();
    await check("menu");
    await page.getByRole("menuitem", { name: "New group or channel" }).click();
    await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("Garden");
    await check("group");
    await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
    await anna.message("This is the beginning").waitFor();
    await page.getByRole("button", { name: "Details", exact: true }).click();
    await page.getByRole("button", { name: "Make a link for a week" }).click();
    await page.getByRole("textbox", { name: "Link of the invitation" }).waitFor();
    await check("details");
    if (device === "phone") await page.getByRole("button", { name: "Close details" }).click();
    if (device === "phone") await page.getByRole("button", { name: "Back to the inbox" }).click();
    await anna.place("ben").waitFor();
    await check("inbox");
    assert.deepEqual(anna.errors, []);
    await Promise.all([context.close(), anna.context.close()]);
  });
}

test("among people who write to each other the page looks as in its pictures", async () => {
  const ada = await person(window, server, "Ada", { viewport: { width: 1120, height: 700 } });
  const ben = await person(window, server, "Ben", { ...PHONE, colorScheme: "dark" });
  const cleo = await person(window, server, "Cleo");
  await ada.open("Cleo");
  await ada.write("Thank you for the seeds!");
  await cleo.place("Ada").getByText("1 unread").waitFor();
  await ada.message("Thank you for the seeds!").getByText("Delivered").waitFor();
  await make(ada, "Allotment", ["Ben", "Cleo"]);
  for (const one of [ben, cleo]) await one.place("Allotment").click();
  const say = async (who: Person, text: string): Promise<void> => {
    await who.page.getByRole("textbox", { name: /^Message to/ }).fill(text);
    // On a phone the Enter key begins another line.
    await who.page.getByRole("button", { name: "Send" }).click();
    for (const one of [ada, ben, cleo]) await one.message(text).waitFor();
  };
  await say(ada, "The beans are up. Who waters them this week?");
  await say(ben, "I can do Tuesday and Thursday.");
  await say(ben, "The map of the beds is at https://example.org/beds");
  await say(cleo, "Then I take the weekend. The key is under the third pot.");
  await say(ada, "Wonderful, thank you both.");
  await ada.open("Ben");
  await ada.write("Shall we meet at noon?");
  await ben.page.getByRole("button", { name: "Back to the inbox" }).click();
  await ben.place("Ada").click();
  await ben.message("Shall we meet at noon?").waitFor();
  await ada.message("Shall we meet at noon?").getByText("Read").waitFor();
  await ben.page.getByRole("button", { name: "Back to the inbox" }).click();
  await ben.place("Allotment").click();
  await ada.place("Allotment").click();
  await details(ada);
  await ada.message("Wonderful").getByText("Read by Ben, Cleo").waitFor();
  await ada.place("Ben").locator(".dot").waitFor();
  await ada.place("Cleo").locator(".dot").waitFor();
  await looksAs(ada.page, "page");
  await looksAs(ben.page, "phone");
  assert.deepEqual([...ada.errors, ...ben.errors, ...cleo.errors], []);
  for (const { context } of [ada, ben, cleo]) await context.close();
});

test("in a language that is written from right to left the page is mirrored", async () => {
  const dana = await person(window, server, "דנה", { ...DESK, locale: "he-IL" });
  await dana.open("ben");
  await dana.write("שלום! How are you?");
  await dana.message("How are you?").getByText("Sent").waitFor();
  assert.deepEqual(await faults(dana), []);
  const left = async (selector: string): Promise<number> => (await dana.page.locator(selector).first().boundingBox())?.x ?? 0;
  assert((await left(".inbox")) > (await left("main")), "the inbox is at the right");
  assert((await left(".message .side")) > (await left(".message .body")), "the avatar is at the right");
  await looksAs(dana.page, "right-to-left");
  assert.deepEqual(dana.errors, []);
});

test("a visitor's browser gets at most 90 KB, in files of the server alone", async () => {
  const context = await window.newContext(PHONE);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  const asked = new Set<string>();
  page.on("request", (request) => asked.add(request.url()));
  await page.goto(`${server.url}/app`);
  await page.getByRole("button", { name: "Log in" }).waitFor();
  assert(bytes > 10_000 && bytes <= 90_000, `${bytes} bytes`);
  for (const url of asked) assert(url.startsWith(`${server.url}/app`), url);
  await context.close();
});
