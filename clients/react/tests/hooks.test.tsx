import { happens, Page, visible } from "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Chat, Room } from "@chat-engine/client";
import {
  ChatProvider,
  useChat,
  useConnect,
  useConnectionState,
  useDirect,
  useEvents,
  useInbox,
  useMarkRead,
  useMembers,
  useMessages,
  useRoom,
  useRoomState,
  useTyping,
  useUnread,
} from "@chat-engine/react";
import type { ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { at, entry, ME, ROOM, Stage } from "../../typescript/tests/stage.js";

function provided(chat: Chat, element: ReactNode): ReactNode {
  return <ChatProvider chat={chat}>{element}</ChatProvider>;
}

async function shown(stage: Stage, element: ReactNode): Promise<Page> {
  return new Page().show(provided(stage.chat, element));
}

test("a hook without a provider says what is missing", () => {
  function Orphan() {
    useChat();
    return null;
  }
  assert.throws(() => renderToString(<Orphan />), /no <ChatProvider> above/);
});

test("a component connects while it is there, in strict mode once for good", async () => {
  const stages: Stage[] = [];
  const make = () => {
    stages.push(new Stage());
    return stages.at(-1)?.chat;
  };
  function App({ user }: { user: string | undefined }) {
    const chat = useConnect(() => (user === undefined ? undefined : make()), [user]);
    return chat ? <ChatProvider chat={chat}>{<State />}</ChatProvider> : "nobody";
  }
  function State() {
    return useConnectionState();
  }
  const page = await new Page().show(<App user={undefined} />);
  assert.equal(page.text, "nobody");
  await page.show(<App user="alice" />);
  assert.equal(page.text, "connecting");
  assert.deepEqual(stages.map(({ chat }) => chat.state), ["connecting"]);
  await happens(() => stages[0]!.live());
  assert.equal(page.text, "live");
  await page.show(<App user="bob" />);
  assert.deepEqual(stages.map(({ chat }) => chat.state), ["ended", "connecting"]);
  await page.leave();
  assert.deepEqual(stages.map(({ chat }) => chat.state), ["ended", "ended"]);
  const [first, second] = stages;
  assert.deepEqual([first?.world.timers, second?.world.timers], [0, 0]);
});

test("strict mode's first connection is closed before it says hello", async () => {
  const stages: Stage[] = [];
  function App() {
    useConnect(() => {
      stages.push(new Stage());
      return stages.at(-1)?.chat;
    }, []);
    return null;
  }
  const page = await new Page().show(<App />);
  assert.deepEqual(stages.map(({ chat }) => chat.state), ["ended", "connecting"]);
  assert.equal(stages[0]?.world.sockets.length, 0);
  await page.leave();
});

function Rooms() {
  const { rooms, more, loading, loadMore, error } = useInbox();
  const unread = useUnread();
  return (
    <>
      {unread}: {rooms.map(({ name, unread }) => `${name} ${unread}`).join(", ")}
      {more && <button id="more" onClick={loadMore} />}
      {loading && " loading"}
      {error && ` ${error.code}`}
    </>
  );
}

test("an inbox is read when it is shown, once, and follows what happens", async () => {
  const stage = await new Stage().live(5);
  const page = await shown(stage, <Rooms />);
  assert.equal(page.text, "0:  loading");
  await happens(() => stage.answer("inbox", { kind: "inbox", rooms: [stage.row(ROOM, 30)], next: "30:x" }));
  await happens(() => stage.answer("presence", { kind: "presence", users: [] }));
  assert.equal(page.text, "0: bob 0");
  await happens(() => stage.entry(6, "hello"));
  assert.equal(page.text, "1: bob 1");
  await page.click("more");
  assert.equal(page.text, "1: bob 1 loading");
  await happens(() => stage.refuse("inbox", 300));
  assert.equal(page.text, "1: bob 1 300");
  await page.click("more");
  await happens(() => stage.answer("inbox", { kind: "inbox", rooms: [stage.row("team", 1)] }));
  assert.equal(page.text, "1: bob 1, team 0");
  assert.deepEqual(stage.socket.sent, []);
  await page.leave();
});

test("an inbox that found no connection is read with the next one", async () => {
  const stage = new Stage();
  const page = await shown(stage, <Rooms />);
  await happens(() => stage.world.pass(9_000));
  stage.world.sockets.shift()?.end();
  await happens(() => stage.world.pass(6_000));
  assert.match(page.text, /0: /);
  await happens(() => stage.live());
  await happens(() => stage.answer("inbox", { kind: "inbox", rooms: [stage.row("team", 30)] }));
  assert.equal(page.text, "0: team 0");
  await page.leave();
});

let renders = 0;

function Messages({ room }: { room: Room | undefined }) {
  const { messages, older, loadMore } = useMessages(room);
  renders += 1;
  return (
    <>
      {messages.map(({ key, text, status }) => (
        <p key={key}>{status === "sent" ? text : `${text}...`} </p>
      ))}
      {older && <button id="older" onClick={loadMore} />}
      <button id="send" onClick={() => void room?.send("mine")} />
    </>
  );
}

function Typing({ room }: { room: Room | undefined }) {
  return <i>{useTyping(room).join()}</i>;
}

function Conversation({ user }: { user: string | undefined }) {
  const { room, error, retry } = useDirect(user);
  const { name } = useRoomState(room);
  return (
    <>
      {name}: <Messages room={room} />
      <Typing room={room} />
      {error && <button id="retry" onClick={retry} children={error.message} />}
    </>
  );
}

async function open(stage: Stage, texts: readonly string[], older = false): Promise<void> {
  await happens(() => stage.answer("open", stage.view(texts.length)));
  // Strict mode asks twice, and the room is there once.
  await happens(() => stage.answer("open", stage.view(texts.length)).catch(() => {}));
  const entries = texts.map((text, n) => entry(n + 1, text));
  await happens(() => stage.answer("history", stage.page(entries, older)));
}

test("a conversation shows its messages, those on their way too, and who is typing", async () => {
  const stage = await new Stage().live();
  const page = await shown(stage, <Conversation user="bob" />);
  assert.equal(page.text, ": ");
  await open(stage, ["hello"]);
  assert.equal(page.text, "bob: hello ");
  await page.click("send");
  assert.equal(page.text, "bob: hello mine... ");
  const { client_id } = await stage.hears("send");
  await happens(() => stage.entry(2, "mine", "alice", String(client_id)));
  assert.equal(page.text, "bob: hello mine ");
  const before = renders;
  await happens(() => stage.say({ type: "typing", room: ROOM, user: "bob", active: true }));
  assert.equal(page.text, "bob: hello mine bob");
  assert.equal(renders, before, "messages that did not change are not rendered again");
  await page.show(provided(stage.chat, <Conversation user={undefined} />));
  assert.equal(page.text, ": ");
  await page.show(provided(stage.chat, <Conversation user="bob" />));
  assert.equal(page.text, "bob: hello mine bob", "a room that was entered before is there at once");
  await page.leave();
});

test("older messages are loaded, and a failure is no unhandled rejection", async () => {
  const stage = await new Stage().live();
  const page = await shown(stage, <Conversation user="bob" />);
  await open(stage, ["two"], true);
  await page.click("older");
  await happens(() => stage.refuse("history", 300));
  await page.click("older");
  await happens(() => stage.answer("history", stage.page([{ ...entry(0, "one") }])));
  assert.equal(page.text, "bob: one two ");
  await page.leave();
});

test("a room that is refused says why, and can be tried again", async () => {
  const stage = await new Stage().live();
  const page = await shown(stage, <Conversation user="bob" />);
  await happens(() => stage.refuse("open", 203));
  await happens(() => stage.refuse("open", 203));
  assert.equal(page.text, ": message");
  await page.click("retry");
  await happens(() => stage.answer("open", stage.view(1)));
  await happens(() => stage.answer("history", stage.page([entry(1, "hello")])));
  assert.equal(page.text, "bob: hello ");
  await page.leave();
});

test("a room that found no connection is entered with the next one", async () => {
  const stage = new Stage();
  const page = await shown(stage, <Conversation user="bob" />);
  stage.world.sockets.shift()?.end();
  await happens(() => stage.world.pass(15_000));
  assert.match(page.text, /in time/);
  stage.world.sockets.splice(0, stage.world.sockets.length - 1);
  await happens(() => stage.live());
  await happens(() => stage.answer("open", stage.view(1)));
  await happens(() => stage.answer("history", stage.page([entry(1, "hello")])));
  assert.equal(page.text, "bob: hello ");
  await page.leave();
});

test("a group shows its name, its members and what the user has set", async () => {
  const stage = await new Stage().live();
  function Group() {
    const { room } = useRoom("team");
    const { name, me, closed } = useRoomState(room);
    const { members, more, loadMore } = useMembers(room);
    return (
      <>
        {name} {me?.pinned && "pinned"} {closed && "closed"} {members.map(({ user }) => user).join()}
        {more && <button id="more" onClick={loadMore} />}
      </>
    );
  }
  const page = await shown(stage, <Group />);
  for (let n = 0; n < 2; n++) {
    await happens(() => stage.answer("room", { ...stage.view(0, { id: "team", name: "Team" }), members: [] }));
  }
  await happens(() => stage.answer("history", stage.page([])));
  await page.click("more");
  await happens(() => stage.answer("members", { kind: "members", members: [{ user: "zoe" }], more: false }));
  await happens(() => stage.say({ type: "me", room: "team", ...ME, pinned: true }));
  assert.equal(page.text, "Team pinned  zoe");
  const gone = stage.row("team", 1);
  await happens(() => stage.say({ type: "room", why: "removed", ...gone }));
  assert.equal(page.text, "Team pinned closed zoe");
  await page.leave();
});

test("what the user sees is marked as read, and nothing else", async () => {
  const stage = await new Stage().live();
  function Reader({ seen }: { seen: boolean }) {
    const { room } = useDirect("bob");
    useMarkRead(room, seen);
    return null;
  }
  await visible(false);
  const page = await shown(stage, <Reader seen={true} />);
  await open(stage, ["hello"]);
  assert.deepEqual(stage.socket.sent, []);
  await visible(true);
  assert.equal((await stage.hears("receipt"))["seq"], 1);
  await page.show(provided(stage.chat, <Reader seen={false} />));
  await happens(() => stage.entry(2, "hi"));
  await page.leave();
  assert.deepEqual(stage.socket.sent, []);
});

test("a component hears what happens while it is there", async () => {
  const stage = await new Stage().live();
  const heard: string[] = [];
  function Notifier({ name }: { name: string }) {
    useEvents((event) => void heard.push(`${name} ${event.type}`));
    return null;
  }
  const announced = () => stage.say({ type: "announcement", text: "noon", at: at(1) });
  const page = await shown(stage, <Notifier name="one" />);
  await happens(announced);
  await page.show(provided(stage.chat, <Notifier name="two" />));
  await happens(announced);
  await page.leave();
  await announced();
  assert.deepEqual(heard, ["one announcement", "two announcement"]);
});

test("a server renders the state before there is a connection", () => {
  const stage = new Stage();
  const html = renderToString(provided(stage.chat, <><Rooms /><Conversation user="bob" /></>));
  assert.match(html, /button id="more"/);
  stage.chat.close();
});
