import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { browser, faults, freePort, Person, person, Server } from "./stage.js";

const TOKEN = "0123456789abcdef0123456789abcdef";

test("an administrator sees figures, sessions, users, bans and the record, and no token is kept", async () => {
  const folder = mkdtempSync(join(tmpdir(), "chat-admin-"));
  const file = join(folder, "token");
  writeFileSync(file, TOKEN, { mode: 0o600 });
  const listen = `127.0.0.1:${await freePort()}`;
  const [server, window] = await Promise.all([
    Server.start("--store", "memory", "--admin-listen", listen, "--admin-token-file", file),
    browser(),
  ]);
  try {
    await person(window, server, "alice");
    for (const user of ["mallory", "nobody"]) {
      const answer = await fetch(`http://${listen}/admin/v1/users/${user}/ban`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
        body: JSON.stringify({ reason: `<b>spam</b> of ${user}`, for: 3600 }),
      });
      assert.equal(answer.status, 200);
    }
    const lifted = await fetch(`http://${listen}/admin/v1/users/nobody/ban`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    assert.equal(lifted.status, 200);
    const context = await window.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB" });
    const admin = new Person("admin", context, await context.newPage());
    const { page } = admin;
    await page.goto(`http://${listen}/app`);
    const field = page.getByLabel("Token of the administration");
    await field.fill("a wrong token");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").getByText(/./).waitFor();
    assert.deepEqual(await faults(admin), []);
    await field.fill(TOKEN);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.locator(".figures div", { hasText: "Sessions" }).getByText("1", { exact: true }).waitFor();
    await page.locator(".figures div", { hasText: "Entries per second" }).getByText("0", { exact: true }).waitFor();
    assert.deepEqual(await faults(admin), []);
    const open = async (part: string): Promise<void> => {
      await page.getByRole("button", { name: part, exact: true }).click();
    };
    await open("Sessions");
    await page.getByRole("row", { name: /alice native 127\.0\.0\.1/ }).waitFor();
    await open("Bans and mutes");
    await page.getByRole("row", { name: /admin ban mallory .*<b>spam<\/b> of mallory/ }).waitFor();
    assert.equal(await page.getByRole("row").filter({ hasText: "nobody" }).count(), 0);
    await open("Record");
    await page.getByRole("row", { name: /lift nobody/ }).waitFor();
    assert.equal(await page.getByRole("row").count(), 4);
    assert.deepEqual(await faults(admin), []);
    await open("Users");
    await page.getByLabel("Name").fill("mallory");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByText(/^Banned until/).waitFor();
    assert.deepEqual(await faults(admin), []);
    await page.reload();
    await field.waitFor();
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    // A wrong token is an answer that the browser reports.
    assert.deepEqual(admin.errors, []);
  } finally {
    await window.close();
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
});
