import { type Chat, connect, type Token } from "@chat-engine/client";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { enter } from "./state/rooms.js";
import { Banner } from "./view/banner.js";
import { Conversation } from "./view/conversation.js";
import { sentence, useStore } from "./view/use.js";

/** The style sheet, which the build puts here. */
declare const STYLES: string;

/** The address of the server that this script came from. */
const origin = new URL("..", (document.currentScript as HTMLScriptElement | null)?.src ?? location.href);

/**
 * A conversation on somebody's page: `<chat-widget user="bob" token="..."></chat-widget>`.
 *
 * `token` is the user's token as an attribute, or the property `token`: a token, or a function that fetches one.
 * `user` names the other user of a direct room, or `room` a room that the user is a member of; `server` another
 * server than that of the script; `theme` is `light` or `dark`.
 */
class ChatWidget extends HTMLElement {
  static readonly observedAttributes = ["server", "token", "user", "room"];
  readonly #root = this.attachShadow({ mode: "open" });
  #token: Token | undefined;
  #chat: Chat | undefined;
  #due = false;

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
    this.#root.adoptedStyleSheets = [sheet];
  }

  get token(): Token | undefined {
    return this.#token ?? this.getAttribute("token") ?? undefined;
  }

  set token(token: Token | undefined) {
    this.#token = token;
    this.#restart();
  }

  connectedCallback(): void {
    // A page may have set it before the script came.
    if (Object.hasOwn(this, "token")) {
      this.#token = (this as { token?: Token }).token;
      delete (this as { token?: Token }).token;
    }
    this.#restart();
  }

  disconnectedCallback(): void {
    this.#restart();
  }

  attributeChangedCallback(): void {
    this.#restart();
  }

  /** Begins anew, once for all that is set at the same time. */
  #restart(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#begin();
    });
  }

  #begin(): void {
    this.#chat?.close();
    this.#chat = undefined;
    render(null, this.#root);
    const { token } = this;
    if (!this.isConnected || token === undefined) return;
    this.#chat = connect({ url: this.getAttribute("server") ?? origin, token });
    const [user, room] = [this.getAttribute("user"), this.getAttribute("room")];
    render(<Widget chat={this.#chat} user={user} room={room} />, this.#root);
  }
}

function Widget({ chat, user, room }: { chat: Chat; user: string | null; room: string | null }) {
  const { state, error } = useStore(chat);
  const [id, setId] = useState<string>();
  const [failed, setFailed] = useState<string>();
  useEffect(() => {
    if (state !== "live" || id !== undefined) return;
    const opened = room ? enter(chat, room) : user ? chat.open(user) : undefined;
    if (!opened) return setFailed("The widget needs the attribute `user` or `room`.");
    opened.then(
      (room) => setId(room.id),
      (error: Error) => setFailed(sentence(error.message)),
    );
  }, [state]);
  const why = error ? sentence(error.message) : failed;
  return (
    <div class="widget">
      {why !== undefined ? (
        <div class="empty" role="alert">
          <p>{why}</p>
        </div>
      ) : id === undefined ? (
        <div class="empty" role="status">
          <p>Connecting…</p>
        </div>
      ) : (
        <Conversation chat={chat} id={id} />
      )}
      <Banner chat={chat} />
    </div>
  );
}

customElements.define("chat-widget", ChatWidget);
