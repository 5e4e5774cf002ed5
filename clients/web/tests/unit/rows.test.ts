import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, Message, Person } from "@chat-engine/client";
import { type Row, rowsOf } from "../../src/view/rowsOf.js";

function message(seq: number, author: string, at: string, more: Partial<Message> = {}): Message {
  return { key: `${author}/${seq}`, author, clientId: `${seq}`, text: `text ${seq}`, status: "sent", seq, at, ...more };
}

function only(rows: readonly Row[]): (Row & { kind: "message" })[] {
  return rows.filter((row) => row.kind === "message");
}

const MINUTES = [0, 1, 9].map((minute) => new Date(2026, 1, 3, 12, minute).toISOString());
const [NOON = "", SOON = "", LATER = ""] = MINUTES;
const TOMORROW = new Date(2026, 1, 4, 0, 1).toISOString();
const BOB: Person = { user: "bob", delivered: 3, read: 2 };

test("messages of one author stand together for five minutes, and each day has a line", () => {
  const messages = [
    message(1, "alice", NOON),
    message(2, "alice", SOON),
    message(3, "bob", SOON),
    message(4, "bob", LATER),
    message(5, "bob", TOMORROW),
  ];
  const rows = only(rowsOf(messages, [], [BOB], "alice", false, Infinity));
  assert.deepEqual(rows.map(({ first }) => first), [true, false, true, true, true]);
  assert.deepEqual(rows.map(({ day }) => day), [true, false, false, false, true]);
});

test("the first message that the user has not read has a line, and no other", () => {
  const messages = [1, 2, 3, 4].map((seq) => message(seq, seq === 2 ? "alice" : "bob", NOON));
  const rows = only(rowsOf(messages, [], [BOB], "alice", true, 1));
  assert.deepEqual(rows.map(({ fresh }) => fresh), [false, false, true, false]);
});

test("how far one's messages have got stands at the last one that has got so far", () => {
  const messages = [1, 2, 3, 4, 5].map((seq) => message(seq, "alice", NOON));
  const failed = { ...message(6, "alice", NOON), status: "failed" } as const;
  const rows = only(rowsOf([...messages, failed], [], [BOB], "alice", false, Infinity));
  assert.deepEqual(rows.map(({ fate }) => fate), [undefined, "read", "delivered", undefined, "sent", "failed"]);
});

test("in a group each reader stands at the last message that they have read", () => {
  const messages = [1, 2, 3, 4].map((seq) => message(seq, "alice", NOON));
  const carol = { user: "carol", delivered: 4, read: 4 };
  const rows = only(rowsOf(messages, [], [BOB, carol, { user: "alice" }], "alice", false, Infinity));
  assert.deepEqual(rows.map(({ readers }) => readers), [[], ["bob"], [], ["carol"]]);
});

test("what happened stands among the messages, and parts them", () => {
  const messages = [message(1, "alice", NOON), message(3, "alice", NOON), message(4, "alice", NOON)];
  const happened = (seq: number, body: Entry["body"]): Entry =>
    ({ seq, body, at: NOON, author: "alice", room: "r", id: `${seq}`, client_id: `${seq}` });
  const events = [
    happened(2, { kind: "joined", user: "bob" }),
    happened(5, { kind: "role", user: "bob", role: "owner" }),
    happened(6, { kind: "room", data: {} }),
  ];
  const rows = rowsOf(messages, events, [BOB], "alice", false, Infinity);
  const seen = rows.map((row) => (row.kind === "event" ? row.text : row.kind === "message" ? row.first : row.kind));
  assert.deepEqual(seen, ["start", true, "alice added bob", true, false, "alice made bob an owner"]);
});
