import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type Chat, ChatError, type ClientEvent, type Command, connect } from "../src/index.js";
import { type FakeSocket, World } from "./world.js";

/** See clients/scenarios/README.md. */
interface Step {
  readonly app?: "store" | "ask" | "mark" | "typing" | "close";
  readonly command?: Command & { text?: string };
  readonly times?: number;
  readonly as?: string;
  readonly room?: string;
  readonly mark?: "delivered" | "read";
  readonly seq?: number;
  readonly server?: string;
  readonly frame?: Record<string, unknown>;
  readonly text?: string;
  readonly to?: string;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly code?: number;
  readonly event?: string;
  readonly outcome?: string;
  readonly pending?: string;
  readonly time?: number;
  readonly tokens?: "fail";
  readonly repeat?: number;
  readonly steps?: readonly Step[];
}

interface Scenario {
  readonly about: string;
  readonly token?: "source";
  readonly steps: readonly Step[];
}

type Outcome = { readonly reply: Record<string, unknown> } | { readonly error: ChatError };

/** Says whether everything in `expected` is in `actual`, and binds the names that begin with `$`. */
function fits(actual: unknown, expected: unknown, names: Map<string, unknown>, exact: boolean): boolean {
  if (typeof expected === "string" && expected.startsWith("$")) {
    if (!names.has(expected)) names.set(expected, actual);
    return names.get(expected) === actual;
  }
  if (typeof expected !== "object" || expected === null) return actual === expected;
  if (typeof actual !== "object" || actual === null) return false;
  const keys = Object.keys(expected);
  const more = Object.keys(actual).filter((key) => !keys.includes(key));
  if (exact && more.length > 0) return false;
  return keys.every((key) => fits(actual[key as never], expected[key as never], names, exact));
}

class Play {
  readonly world = new World();
  readonly events: ClientEvent[] = [];
  readonly outcomes = new Map<string, Outcome | undefined>();
  readonly names = new Map<string, unknown>();
  readonly heard = new Map<string, number>();
  readonly chat: Chat;
  socket: FakeSocket | undefined;
  last = "";
  tokens = 0;
  failing = false;

  constructor(token: "source" | undefined) {
    this.chat = connect({
      url: "http://server.test",
      token: token ? () => this.token() : "alice",
      WebSocket: this.world.WebSocket,
      environment: this.world.environment,
    });
    // Which rooms are listed is this client's own event.
    this.chat.on((event) => event.type !== "listed" && this.events.push(event));
  }

  token(): string {
    this.tokens += 1;
    if (!this.failing) return `token ${this.tokens}`;
    this.failing = false;
    throw new Error("no token today");
  }

  async step(step: Step): Promise<void> {
    for (let n = 0; n < (step.repeat ?? 0); n++) for (const inner of step.steps ?? []) await this.step(inner);
    await this.world.settle();
    if (step.app) this.act(step);
    if (step.server) this.serve(step);
    if (step.time) await this.world.pass(step.time);
    if (step.tokens) this.failing = true;
    await this.world.settle();
    if (step.event) {
      const { event, ...expected } = step;
      const actual = this.events.shift();
      const code = actual?.type === "ended" ? { code: actual.error.code } : {};
      const shown = { ...actual, ...code };
      assert(fits(shown, { type: event, ...expected }, this.names, false), `the event is ${JSON.stringify(actual)}`);
    }
    if (step.pending) assert.equal(this.outcomes.get(step.pending), undefined, "it has an outcome");
    if (step.outcome) this.compare(step);
  }

  act({ app, command, times, as = "", room = "", mark, seq = 0 }: Step): void {
    const done = (call: Promise<object>): void => {
      this.outcomes.set(as, undefined);
      call.then(
        (reply) => this.outcomes.set(as, { reply: { ...reply } }),
        (error) => this.outcomes.set(as, { error }),
      );
    };
    if (app === "store" && command) {
      const text = command.text === undefined ? {} : { text: command.text.repeat(times ?? 1) };
      done(this.chat.store((client_id) => ({ ...command, ...text, client_id }) as Command as never));
    } else if (app === "ask") done(this.chat.ask(command as never));
    else if (app === "mark" && mark) this.chat.mark(room, mark, seq);
    else if (app === "typing") this.chat.typing(room);
    else if (app === "close") this.chat.close();
    else assert.fail(`there is no call ${app}`);
  }

  /** The next attempt to connect. */
  attempt(): FakeSocket {
    const socket = this.world.sockets.shift();
    assert(socket, "the client does not connect");
    return socket;
  }

  serve(step: Step): void {
    const { server, to, result, error } = step;
    const socket = (): FakeSocket => this.socket ?? assert.fail("there is no connection");
    const filled = (frame: unknown): unknown =>
      JSON.parse(JSON.stringify(frame), (_, value) => this.names.get(value) ?? value);
    const answer = (more: object): void => socket().say({ id: this.heard.get(to ?? this.last), ...more });
    switch (server) {
      case "accepts":
        this.socket = this.attempt();
        return this.socket.onopen?.();
      case "refuses":
        return this.attempt().end();
      case "ignores":
        return void this.attempt();
      case "hears":
      case "hears_ping": {
        const { id, ...frame } = socket().sent.shift() ?? {};
        const expected = step.frame ?? { type: "ping" };
        assert(fits(frame, expected, this.names, true), `the client sends ${JSON.stringify(frame)}`);
        this.last = String(frame["type"]);
        this.heard.set(this.last, Number(id));
        return;
      }
      case "hears_nothing":
        return assert.deepEqual(socket().sent, []);
      case "hears_end":
        return assert(socket().ended, "the connection has not ended");
      case "answers_ping":
        return answer({ type: "reply", result: { kind: "pong" } });
      case "replies":
        return answer({ type: "reply", result: filled(result) });
      case "errs":
        return answer({ type: "error", error });
      case "says":
        return socket().say(step.text ?? filled(step.frame));
      case "closes":
        return socket().end(step.code);
      case "dies":
        return socket().end();
      default:
        assert.fail(`the server can't do ${server}`);
    }
  }

  compare({ outcome = "", ...expected }: Step): void {
    const actual = this.outcomes.get(outcome);
    assert(actual, "there is no outcome yet");
    let shown: object;
    if ("reply" in actual) {
      const { kind, seq, duplicate } = actual.reply;
      shown = kind === "sent" ? { sent: seq, duplicate } : { reply: kind };
    } else {
      const { failure, code, retryAfter } = actual.error;
      shown = failure === "refused" ? { refused: code, retry_after: retryAfter } : { failed: failure };
    }
    assert(fits(shown, expected, this.names, false), `the outcome is ${JSON.stringify(shown)}`);
  }

  /** Nothing may be left over. */
  end(): void {
    assert.deepEqual(this.events, []);
    assert.deepEqual(this.socket?.sent ?? [], []);
    this.chat.close();
    assert.equal(this.world.timers, 0, "a client that is closed leaves no timer");
  }
}

const folder = new URL("../../../scenarios/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
assert(files.length > 0);
for (const file of files) {
  test(file.replace(".json", "").replaceAll("_", " "), async () => {
    const { token, steps }: Scenario = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    const play = new Play(token);
    for (const [n, step] of steps.entries()) {
      try {
        await play.step(step);
      } catch (error) {
        throw new Error(`step ${n + 1}, ${JSON.stringify(step)}: ${(error as Error).message}`);
      }
    }
    play.end();
  });
}
