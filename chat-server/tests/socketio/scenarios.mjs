// The promises of the old protocol, and the faults of the old server that this one must not have.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TIME = /^[1-9]\d?\/[1-9]\d?\/\d{4}, [1-9]\d?:\d\d:\d\d (am|pm)$/;

const texts = (messages) => messages.map(({ text }) => text);

// The table of the protocol.

export async function every_named_client_gets_the_list_of_users_online_each_once(world) {
  const alice = world.device();
  const unnamed = world.device();
  await Promise.all([alice.next("connect"), unnamed.next("connect")]);
  alice.emit("set-username", "alice");
  assert.deepEqual(await alice.next("online-users"), ["alice"]);
  const bob = world.device();
  await bob.next("connect");
  bob.emit("set-username", "bob");
  await Promise.all([alice, bob].map((one) => one.online("alice", "bob")));
  const second = world.device();
  await second.next("connect");
  second.emit("set-username", "alice");
  await second.online("alice", "bob");
  bob.leave();
  await Promise.all([alice, second].map((one) => one.online("alice")));
  await unnamed.silent();
}

export async function a_message_reaches_all_devices_of_both_and_nobody_else(world) {
  const [a1, a2, b1, b2, eve] = await Promise.all([
    world.person("alice", "bob"),
    world.person("alice", "bob"),
    world.person("bob", "alice"),
    world.person("bob", "alice"),
    world.person("eve", "alice"),
  ]);
  a1.emit("dm-message", "Hello, Bob! \u{1f600} \u00e9 <b>");
  const copies = await Promise.all([a1, a2, b1, b2].map((one) => one.next("dm-message")));
  const [message] = copies;
  for (const copy of copies) assert.deepEqual(copy, message);
  assert.deepEqual(Object.keys(message).sort(), ["from", "id", "roomId", "text", "time", "to"]);
  assert.match(message.id, UUID);
  assert.match(message.time, TIME);
  assert.deepEqual(
    { ...message, id: 0, time: 0 },
    { id: 0, time: 0, roomId: "alice,bob", from: "alice", to: "bob", text: "Hello, Bob! \u{1f600} \u00e9 <b>" },
  );
  b2.emit("dm-message", "hi");
  for (const one of [a1, a2, b1, b2]) {
    const { roomId, from, to, text } = await one.next("dm-message");
    assert.deepEqual({ roomId, from, to, text }, { roomId: "alice,bob", from: "bob", to: "alice", text: "hi" });
  }
  await Promise.all([a1, a2, b1, b2, eve].map((one) => one.silent()));
}

export async function typing_reaches_the_other_member_only(world) {
  const [a1, a2, b1, elsewhere, eve] = await Promise.all([
    world.person("alice", "bob"),
    world.person("alice", "bob"),
    world.person("bob", "alice"),
    world.person("bob", "eve"),
    world.person("eve", "alice"),
  ]);
  a1.emit("typing");
  assert.equal(await b1.next("typing"), "alice");
  await Promise.all([a1, a2, b1, elsewhere, eve].map((one) => one.silent()));
}

export async function receipts_go_to_the_devices_of_the_sender_only(world) {
  const [a1, elsewhere, b1, b2, eve] = await Promise.all([
    world.person("alice", "bob"),
    world.person("alice", "carol"),
    world.person("bob", "alice"),
    world.person("bob", "alice"),
    world.person("eve", "alice"),
  ]);
  a1.emit("dm-message", "hello");
  const { id, from } = await b1.next("dm-message");
  await Promise.all([a1, b2].map((one) => one.next("dm-message")));
  b1.emit("message-delivered", { messageId: id, from });
  for (const one of [a1, elsewhere]) assert.equal(await one.next("delivered"), id);
  b1.emit("message-read", { messageId: id, from });
  for (const one of [a1, elsewhere]) assert.equal(await one.next("read"), id);
  // Said again, also by another device, it is no news.
  await b2.ask("message-delivered", { messageId: id, from });
  await b1.ask("message-read", { messageId: id, from });
  await Promise.all([a1, elsewhere, b1, b2, eve].map((one) => one.silent()));
}

export async function read_alone_means_delivered_first_and_covers_earlier_messages(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  for (const text of ["one", "two"]) alice.emit("dm-message", text);
  const [one, two] = await bob.many("dm-message", 2);
  bob.emit("message-read", { messageId: two.id, from: "alice" });
  await alice.next("read", (id) => id === two.id);
  const received = alice.rest().filter(({ event }) => event !== "dm-message");
  assert.deepEqual(
    received.map(({ event, args }) => [event, args[0]]),
    [["delivered", one.id], ["read", one.id], ["delivered", two.id]],
  );
}

export async function errors_of_input_are_strings_and_the_connection_lives(world) {
  const alice = world.device();
  await alice.next("connect");
  const id = "019aab5e-0000-7000-8000-000000000001";
  const needs_name = [
    ["start-dm", "bob"],
    ["dm-message", "hi"],
    ["typing"],
    ["message-delivered", { messageId: id, from: "bob" }],
    ["message-read", { messageId: id, from: "bob" }],
  ];
  for (const call of needs_name) {
    alice.emit(...call);
    assert.match(await alice.next("dm-error"), /set-username/, call[0]);
  }
  for (const name of [undefined, null, 7, true, ["alice"], { $ne: null }, "", " alice", "a\u200bb", "a\nb", "x".repeat(65)]) {
    alice.emit("set-username", name);
    assert.equal(typeof (await alice.next("dm-error")), "string", JSON.stringify(name));
  }
  await alice.emit("set-username", "alice").online("alice");
  for (const call of [["dm-message", "hi"], ["typing"]]) {
    alice.emit(...call);
    assert.match(await alice.next("dm-error"), /start-dm/, call[0]);
  }
  for (const call of [
    ["start-dm"],
    ["start-dm", 7],
    ["start-dm", { $gt: "" }],
    ["start-dm", "alice"],
    ["start-dm", ""],
    ["start-dm", "bob,carol"],
    ["message-delivered"],
    ["message-delivered", null],
    ["message-delivered", "x"],
    ["message-delivered", { messageId: { $ne: null }, from: "bob" }],
    ["message-delivered", { messageId: id, from: { $ne: null } }],
    ["message-delivered", { messageId: id, from: "alice" }],
    ["message-delivered", { messageId: id, from: "bob" }],
    ["message-read"],
    ["message-read", []],
    ["message-read", { messageId: "no id", from: "bob" }],
    ["no-such-event", 1, 2],
    ["__proto__", {}],
  ]) {
    alice.emit(...call);
    assert.equal(typeof (await alice.next("dm-error")), "string", JSON.stringify(call));
  }
  await alice.dm("bob");
  for (const call of [
    ["dm-message"],
    ["dm-message", 7],
    ["dm-message", null],
    ["dm-message", { text: "hi" }],
    ["dm-message", ""],
    ["dm-message", " \u200b "],
    ["dm-message", "a\u0000b"],
    ["dm-message", "x".repeat(4_001)],
    ["dm-message", "hi", { clientId: 7 }],
    ["dm-message", Buffer.from("hi")],
    ["dm-message", { nested: Buffer.from("hi") }],
  ]) {
    alice.emit(...call);
    assert.equal(typeof (await alice.next("dm-error")), "string", JSON.stringify(call));
  }
  alice.emit("dm-message", "still here");
  assert.equal((await alice.next("dm-message")).text, "still here");
  await alice.silent();
}

export async function an_ack_has_the_number_of_its_message(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  const first = await alice.ask("dm-message", "once", { clientId: "c1" });
  assert.deepEqual(await alice.ask("dm-message", "once", { clientId: "c1" }), first);
  const second = await alice.ask("dm-message", "twice");
  assert.equal((await bob.next("dm-message")).id, first.id);
  assert.equal((await bob.next("dm-message")).id, second.id);
  assert.deepEqual([first.seq, second.seq], [1, 2]);
  assert.equal((await alice.ask("dm-message", 7)).error.name, "bad_request");
  await bob.silent();
}

// Faults of the old server, by their numbers in the list of fifty.

export async function seed_03_a_message_before_start_dm_is_not_dropped_silently(world) {
  const alice = await world.person("alice");
  alice.emit("dm-message", "hi");
  assert.match(await alice.next("dm-error"), /start-dm/);
}

export async function seed_04_a_thousand_rapid_messages_keep_their_order(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  const sent = Array.from({ length: 1_000 }, (_, at) => `message ${at}`);
  for (const text of sent) alice.emit("dm-message", text);
  for (const one of [alice, bob]) assert.deepEqual(texts(await one.many("dm-message", 1_000)), sent);
  await Promise.all([alice, bob].map((one) => one.silent()));
}

export async function seed_10_a_message_to_somebody_offline_is_there_when_they_come(world) {
  const alice = await world.person("alice", "bob");
  const sent = Array.from({ length: 30 }, (_, at) => `message ${at}`);
  for (const text of sent) await alice.ask("dm-message", text);
  const shown = await alice.many("dm-message", 30);
  const last = async (query) => {
    const headers = { authorization: `Bearer ${world.login("alice")}` };
    const answer = await fetch(`${world.url}/lastmessages?${query}`, { headers });
    return { status: answer.status, body: await answer.json() };
  };
  const bob = await world.person("bob", "alice");
  const { body } = await last("from=bob&to=alice");
  assert.deepEqual(body, shown.slice(-10).map((one) => ({ ...one, _id: one.id, __v: 0 })));
  assert.deepEqual(texts((await last("from=alice&to=bob&limit=2")).body), sent.slice(-2));
  assert.deepEqual(texts((await last("from=alice&to=bob&limit=99")).body), sent.slice(-25));
  assert.deepEqual((await last("from=alice&to=carol")).body, []);
  assert.equal((await last("from=alice")).status, 400);
  // A message has the dates of its receipts, as the old server wrote them.
  const [two, one] = shown.slice(-2);
  await bob.ask("message-delivered", { messageId: one.id, from: "alice" });
  await bob.ask("message-read", { messageId: two.id, from: "alice" });
  await bob.ask("dm-message", "an answer");
  const times = (await last("from=alice&to=bob&limit=3")).body;
  const keys = ["deliveredAt", "readAt"].map((key) => times.map((message) => key in message));
  assert.deepEqual(keys, [[true, true, false], [true, false, false]]);
  const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
  for (const time of [times[0].deliveredAt, times[0].readAt, times[1].deliveredAt]) {
    assert.match(time, date);
    assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, time);
  }
}

export async function seed_11_start_dm_leaves_the_former_partner(world) {
  const [alice, bob, carol] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
    world.person("carol", "alice"),
  ]);
  await alice.dm("carol");
  await bob.ask("dm-message", "not shown");
  await bob.next("dm-message");
  carol.emit("dm-message", "shown");
  assert.equal((await alice.next("dm-message")).text, "shown");
  await alice.silent();
  // A partner that can't be had leaves none: nothing goes to the wrong one.
  alice.emit("start-dm", "a,b");
  await alice.next("dm-error");
  alice.emit("start-dm", "alice");
  await alice.next("dm-error");
  alice.emit("dm-message", "to whom?");
  assert.match(await alice.next("dm-error"), /start-dm/);
  await carol.next("dm-message");
  await carol.silent();
}

export async function seed_16_a_second_tab_that_closes_leaves_the_user_online(world) {
  const [first, second, bob] = [
    await world.person("alice", "bob"),
    await world.person("alice", "bob"),
    await world.person("bob", "alice"),
  ];
  second.leave();
  const eve = await world.person("eve");
  await bob.online("alice", "bob", "eve");
  bob.emit("dm-message", "still there?");
  assert.equal((await first.next("dm-message")).text, "still there?");
  first.leave();
  await eve.online("bob", "eve");
}

export async function seed_17_another_name_leaves_no_ghost(world) {
  const [alice, bob] = [await world.person("alice", "bob"), await world.person("bob", "alice")];
  alice.emit("set-username", "alice");
  alice.emit("set-username", "anna");
  await bob.online("anna", "bob");
  // The new name has no partner yet, and nothing of the old one's any more.
  alice.emit("dm-message", "as whom?");
  assert.match(await alice.next("dm-error"), /start-dm/);
  await bob.ask("dm-message", "for alice");
  await alice.silent();
  // A name that is refused doesn't take the one that one has.
  alice.emit("set-username", "a,b");
  await alice.next("dm-error");
  await alice.dm("bob");
}

export async function seed_17_a_short_visit_leaves_no_ghost(world) {
  const bob = await world.person("bob");
  for (let visit = 0; visit < 5; visit++) {
    const alice = await world.person("alice");
    await bob.online("alice", "bob");
    alice.leave();
    await bob.online("bob");
  }
}

export async function seed_21_a_name_is_no_wiretap(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  const spy = world.device();
  await spy.next("connect");
  spy.emit("set-username", "alice,bob");
  assert.match(await spy.next("dm-error"), /user name/);
  const spies = [spy];
  for (const name of ["dm:alicebob", "alicebob", "named", alice.socket.id]) {
    spies.push(await world.person(name, "mallory"));
  }
  alice.emit("dm-message", "secret");
  const { id } = await bob.next("dm-message");
  await bob.ask("message-read", { messageId: id, from: "alice" });
  await alice.next("read");
  await Promise.all(spies.map((one) => one.silent()));
}

export async function seed_22_names_that_join_alike_have_different_rooms(world) {
  const [ali, alice, bob] = await Promise.all([
    world.person("ali", "cebob"),
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  ali.emit("dm-message", "from ali");
  assert.equal((await ali.next("dm-message")).roomId, "ali,cebob");
  await Promise.all([alice, bob].map((one) => one.silent()));
}

export async function seed_25_an_oversized_frame_costs_its_own_connection_only(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  bob.emit("dm-message", "x".repeat(900_000));
  assert.match(await bob.next("dm-error"), /at most 65536 bytes/);
  bob.emit("dm-message", "x".repeat(1_100_000));
  await bob.next("disconnect");
  alice.emit("dm-message", "still served");
  assert.equal((await alice.next("dm-message")).text, "still served");
  const again = await world.person("bob", "alice");
  alice.emit("dm-message", "welcome back");
  assert.equal((await again.next("dm-message")).text, "welcome back");
}

export async function seed_28_forged_receipts_have_no_effect(world) {
  const [alice, bob, eve] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
    world.person("eve", "alice"),
  ]);
  alice.emit("dm-message", "hello");
  const { id } = await bob.next("dm-message");
  await alice.next("dm-message");
  for (const event of ["message-delivered", "message-read"]) {
    for (const from of ["alice", "bob", "alice,bob", "dm:alicebob"]) {
      eve.emit(event, { messageId: id, from });
      assert.equal(typeof (await eve.next("dm-error")), "string");
    }
    // Nor can the author make them up, nor the receiver for a message of somebody else.
    alice.emit(event, { messageId: id, from: "bob" });
    await alice.next("dm-error");
    bob.emit(event, { messageId: id, from: "eve" });
    await bob.next("dm-error");
  }
  await Promise.all([alice, bob, eve].map((one) => one.silent()));
}

/** Played with the old server's own limit: 5 in 60 s, then muted for 5 s. */
export async function seed_37_a_new_connection_has_no_new_budget(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  for (let at = 1; at <= 7; at++) alice.emit("dm-message", `message ${at}`);
  assert.equal((await alice.many("dm-message", 5)).length, 5);
  assert.equal(await alice.next("dm-error"), "Too many messages. Muted for 5s.");
  assert.equal(await alice.next("dm-error"), "You are temporarily muted");
  alice.leave();
  const again = await world.person("alice", "bob");
  again.emit("dm-message", "again");
  assert.equal(await again.next("dm-error"), "You are temporarily muted");
  const { error } = await again.ask("dm-message", "and again");
  assert.equal(error.name, "muted");
  assert.ok(error.retry_after_ms > 0 && error.retry_after_ms <= 5_000, error.retry_after_ms);
  assert.equal((await bob.many("dm-message", 5)).length, 5);
  await bob.silent();
}

export async function seed_38_names_and_partners_can_not_be_tried_without_end(world) {
  const alice = await world.person("alice");
  const tried = await Promise.all(
    Array.from({ length: 200 }, (_, at) => alice.ask("start-dm", `stranger ${at}`)),
  );
  const refused = tried.filter(({ error }) => error);
  assert.ok(refused.length > 100, `${refused.length} refused`);
  const { name, retry_after_ms } = refused.at(-1).error;
  assert.equal(name, "rate_limited");
  await new Promise((resolve) => setTimeout(resolve, retry_after_ms));
  assert.deepEqual(await alice.ask("start-dm", "bob"), {});
}

/** Played with a limit of 2, and a mute of 300 ms. */
export async function seed_39_a_mute_ends_when_it_says(world) {
  const alice = await world.person("alice", "bob");
  for (const text of ["one", "two"]) await alice.ask("dm-message", text);
  const { error } = await alice.ask("dm-message", "three");
  assert.equal(error.name, "rate_limited");
  assert.equal(await alice.next("dm-error"), "Too many messages. Muted for 0.3s.");
  await new Promise((resolve) => setTimeout(resolve, error.retry_after_ms));
  assert.equal((await alice.ask("dm-message", "four")).seq, 3);
}

/** Played with the words `war` and `gun`. */
export async function seed_42_a_refused_text_reaches_its_sender_only(world) {
  const [alice, second, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  alice.emit("dm-message", "a software award");
  alice.emit("dm-message", "this means war");
  alice.emit("dm-message", "peace");
  for (const one of [alice, second, bob]) {
    assert.deepEqual(texts(await one.many("dm-message", 2)), ["a software award", "peace"]);
  }
  const refused = await alice.next("dm-error");
  assert.deepEqual(Object.keys(refused).sort(), ["from", "id", "roomId", "text", "time", "to"]);
  assert.match(refused.id, UUID);
  assert.match(refused.time, TIME);
  assert.deepEqual(
    { ...refused, id: 0, time: 0 },
    { id: 0, time: 0, roomId: "alice,bob", from: "alice", to: "bob", text: "Message is not accepted" },
  );
  await Promise.all([alice, second, bob].map((one) => one.silent()));
}

export async function messages_sent_just_before_leaving_still_arrive(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  alice.emit("dm-message", "one").emit("dm-message", "goodbye");
  // A long poll is cut by its client: what was posted must have been answered before that.
  if (world.transport === "polling") await alice.next("dm-message");
  alice.leave();
  assert.deepEqual(texts(await bob.many("dm-message", 2)), ["one", "goodbye"]);
  await bob.online("bob");
}

/** Played with a moderator that never judges what bob writes. */
export async function a_client_that_sends_too_much_at_once_is_closed_and_returns(world) {
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice", { reconnection: true }),
  ]);
  await bob.settled();
  const text = "x".repeat(2_000);
  for (let at = 0; at < 1_000; at++) bob.emit("dm-message", text);
  assert.equal(await bob.next("dm-error"), "Too many events at once");
  await bob.returns();
  alice.emit("dm-message", "still served");
  await alice.next("dm-message", (message) => message.from === "alice");
}

/** More than the server takes in one body, and more than it takes at once on a WebSocket. */
export async function a_client_that_sends_thousands_of_events_at_once_is_closed_and_returns(world) {
  const alice = await world.person("alice", "bob", { reconnection: true });
  await alice.settled();
  for (let at = 0; at < 3_000; at++) alice.emit("typing");
  await alice.returns();
}

/** Its server sends while the client does not read, and the client reads on when it is closed. */
export async function a_client_that_reads_too_slowly_is_closed_and_returns(world) {
  const alice = await world.person("alice");
  const bob = await world.person("bob", "alice", { reconnection: true });
  await bob.settled();
  await alice.online("alice", "bob");
  const read_on = bob.stop_reading();
  console.log("ready");
  await alice.online("alice");
  read_on();
  await bob.returns();
}

/** A client that opens a long-polling session and then never reads. */
export async function a_client_that_does_not_read_is_closed_and_delays_nobody(world) {
  const base = `${world.url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(base)).text()).slice(1));
  const post = async (body) => {
    const answer = await fetch(`${base}&sid=${sid}`, { method: "POST", body });
    assert.equal(await answer.text(), "ok");
  };
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  await post("40");
  for (const name of ["bob", "deaf"]) {
    await post(`42["set-username","${world.login(name)}"]\x1e42["start-dm","alice"]`);
  }
  await alice.online("alice", "bob", "deaf");
  await alice.dm("deaf");
  for (let sent = 0; sent < 1_100; sent += 100) {
    for (let at = 0; at < 100; at++) alice.emit("dm-message", `message ${sent + at}`);
    await alice.many("dm-message", 100);
  }
  await alice.online("alice", "bob");
  await bob.silent();
}

/** Stops its server by saying so on standard output. */
export async function a_server_that_stops_says_so_and_its_clients_come_back(world) {
  const alice = world.device({ reconnection: true });
  await alice.named("alice");
  await alice.settled();
  console.log("ready");
  // A long poll that has just ended can't begin again on a server that takes no connections.
  if (world.transport !== "polling") {
    assert.equal(await alice.next("dm-error"), "The server is shutting down");
  }
  assert.match(await alice.next("disconnect"), /^transport /);
  assert.ok(alice.socket.active, "it tries again by itself");
}

// Every version of the library.

/** Sends for longer than a session waits for a WebSocket that it may move to. */
export async function all_messages_arrive_both_ways(world) {
  const MESSAGES = 12;
  const [alice, bob] = await Promise.all([
    world.person("alice", "bob"),
    world.person("bob", "alice"),
  ]);
  for (let at = 0; at < MESSAGES; at++) {
    alice.emit("dm-message", `alice ${at}`);
    bob.emit("dm-message", `bob ${at}`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  for (const one of [alice, bob]) {
    const got = texts(await one.many("dm-message", 2 * MESSAGES));
    for (const name of ["alice", "bob"]) {
      const sent = Array.from({ length: MESSAGES }, (_, at) => `${name} ${at}`);
      assert.deepEqual(got.filter((text) => text.startsWith(name)), sent);
    }
    assert.deepEqual(one.rest(), []);
  }
}

// Several nodes.

export async function users_of_two_nodes_are_in_one_world(world) {
  const [one, two] = [world.at(0), world.at(1)];
  const alice = await one.person("alice");
  const bob = await two.person("bob");
  const eve = one.device();
  await eve.next("connect");
  eve.emit("set-username", "eve");
  // Bob shares a room with neither.
  await Promise.all([alice, bob, eve].map((each) => each.online("alice", "bob", "eve")));
  await alice.dm("bob");
  await bob.dm("alice");
  alice.emit("dm-message", "hello");
  const [{ id, from }, copy] = await Promise.all([bob, alice].map((each) => each.next("dm-message")));
  assert.deepEqual([from, copy.id], ["alice", id]);
  bob.emit("message-delivered", { messageId: id, from });
  assert.equal(await alice.next("delivered"), id);
  bob.emit("message-read", { messageId: id, from });
  assert.equal(await alice.next("read"), id);
  bob.emit("typing");
  assert.equal(await alice.next("typing"), "bob");
  await Promise.all([alice, bob, eve].map((each) => each.silent()));
  eve.leave();
  await Promise.all([alice, bob].map((each) => each.online("alice", "bob")));
}
