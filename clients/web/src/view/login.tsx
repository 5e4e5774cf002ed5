import { ErrorCode } from "@chat-engine/client";
import { useEffect, useState } from "preact/hooks";
import { about, type About, ended, lastName, login } from "../state/session.js";
import { Failure } from "./dialog.js";
import { Icon } from "./icon.js";
import { sentence } from "./use.js";

/** The way in: a name, a token, or the page that gives tokens. */
export function Login() {
  const [server, setServer] = useState<About>();
  const [failed, setFailed] = useState<string>();
  const [text, setText] = useState("");
  const [tried, setTried] = useState(0);
  useEffect(() => {
    about().then(
      (server) => {
        setServer(server);
        if (server.login === "name") setText(lastName());
      },
      () => setFailed("The server can't be reached."),
    );
  }, [tried]);
  const error = failed ?? (ended.value && why(ended.value.code, ended.value.message));
  const field = {
    autoFocus: true,
    required: true,
    value: text,
    onInput: (event: { currentTarget: HTMLInputElement }) => setText(event.currentTarget.value),
  };
  return (
    <main class="login">
      <div class="card">
        <span class="logo">
          <Icon name="send" />
        </span>
        <h1>Chat</h1>
        <Failure error={error} />
        {failed !== undefined && (
          <button type="button" onClick={() => (setFailed(undefined), setTried(tried + 1))}>
            Try again
          </button>
        )}
        {server?.login_url !== undefined && (
          <a class="button main" href={server.login_url}>
            Log in
          </a>
        )}
        {server && server.login_url === undefined && (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (text.trim()) login(text.trim());
            }}
          >
            <label>
              {server.login === "name" ? "Your name" : "Your token"}
              {server.login === "name" ? (
                <input type="text" dir="auto" autoComplete="username" maxLength={64} {...field} />
              ) : (
                <input type="password" autoComplete="off" maxLength={4096} {...field} />
              )}
            </label>
            {server.login === "name" && (
              <p class="soft">This server believes everybody: the name is all that it asks for.</p>
            )}
            <button type="submit" class="main">
              Log in
            </button>
          </form>
        )}
      </div>
    </main>
  );
}

/** The reason why the session has ended, for people. */
function why(code: number | undefined, message: string): string {
  switch (code) {
    case ErrorCode.token_expired:
    case 4501:
      return "Your login has ended. Log in again.";
    case ErrorCode.unauthenticated:
      return "The server does not take this login.";
    case 4503:
      return "";
    default:
      return sentence(message);
  }
}
