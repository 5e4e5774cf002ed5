import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.js";
import { Pace } from "../src/pace.js";

test("waits double up to 30 s, use the whole range, and begin anew after a success", () => {
  const ceilings = new Backoff(() => 1);
  const waits = Array.from({ length: 9 }, () => ceilings.next());
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  ceilings.reset();
  assert.equal(ceilings.next(), 500);
  assert.equal(new Backoff(() => 0).next(), 0);
  for (let n = 0; n < 2_000; n++) ceilings.next();
  assert.equal(ceilings.next(), 30_000, "also after very many failures");
});

test("no second has more frames than the server allows, and the client is no slower than it must be", () => {
  const pace = new Pace();
  const sent: number[] = [];
  for (let now = 0; sent.length < 300; now += pace.wait(now)) {
    if (pace.wait(now) > 0) continue;
    pace.spend(now);
    sent.push(now);
  }
  for (const [n, start] of sent.entries()) {
    const within = sent.slice(n).filter((at) => at < start + 1_000).length;
    assert(within <= 50, `${within} frames`);
  }
  assert((sent.at(-1) ?? Infinity) < 8_000);
});
