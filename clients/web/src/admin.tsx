import { render } from "preact";
import { useState } from "preact/hooks";
import { Administration } from "./admin/ask.js";
import { Figures, Record, Sessions, Users } from "./admin/view.js";
import { Failure } from "./view/dialog.js";
import { useAction } from "./view/use.js";

const PARTS = [
  ["figures", "Figures"],
  ["sessions", "Sessions"],
  ["users", "Users"],
  ["sanctions", "Bans and mutes"],
  ["record", "Record"],
] as const;

type Part = (typeof PARTS)[number][0];

/** The view of administrators: they type their token, which is kept in memory only. */
function Admin() {
  const [server, setServer] = useState<Administration>();
  const [part, setPart] = useState<Part>("figures");
  const [token, setToken] = useState("");
  const { error, busy, run } = useAction();
  if (!server) {
    const login = (): Promise<boolean> =>
      run(async () => {
        const server = new Administration(token.trim());
        await server.figures();
        setToken("");
        setServer(server);
      });
    return (
      <main class="login">
        <div class="card">
          <h1>Administration</h1>
          <Failure error={error} />
          <form onSubmit={(event) => (event.preventDefault(), void login())}>
            <label>
              Token of the administration
              <input
                type="password"
                autoComplete="off"
                required
                autoFocus
                value={token}
                onInput={(event) => setToken(event.currentTarget.value)}
              />
            </label>
            <button type="submit" class="main" disabled={busy}>
              Log in
            </button>
          </form>
        </div>
      </main>
    );
  }
  return (
    <div class="admin">
      <header class="bar">
        <h1>Administration</h1>
        <nav class="filters" aria-label="Parts">
          {PARTS.map(([key, label]) => (
            <button key={key} type="button" aria-current={part === key ? "page" : undefined} onClick={() => setPart(key)}>
              {label}
            </button>
          ))}
        </nav>
        <button type="button" onClick={() => setServer(undefined)}>
          Log out
        </button>
      </header>
      <main key={part}>
        {part === "figures" && <Figures server={server} />}
        {part === "sessions" && <Sessions server={server} />}
        {part === "users" && <Users server={server} />}
        {part === "sanctions" && <Record server={server} inForce />}
        {part === "record" && <Record server={server} />}
        <p class="soft">
          This page shows, and changes nothing. <code>chat-server admin --help</code> lists the commands that do.
        </p>
      </main>
    </div>
  );
}

render(<Admin />, document.body);
