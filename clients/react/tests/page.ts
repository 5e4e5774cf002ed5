import { Window } from "happy-dom";
import { act, createElement, type ReactNode, StrictMode } from "react";

// React looks for these when it is imported; a test imports this file first.
const window = new Window();
const { document: page, navigator } = window;
for (const [name, value] of Object.entries({ window, document: page, navigator, IS_REACT_ACT_ENVIRONMENT: true })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
const { createRoot } = await import("react-dom/client");

/** A page with a component on it, in strict mode, as a browser shows it. */
export class Page {
  readonly #container = document.createElement("div");
  readonly #root = createRoot(this.#container);

  async show(element: ReactNode): Promise<this> {
    await act(async () => this.#root.render(createElement(StrictMode, null, element)));
    return this;
  }

  async leave(): Promise<void> {
    await act(async () => this.#root.unmount());
  }

  get text(): string {
    return this.#container.textContent ?? "";
  }

  async click(id: string): Promise<void> {
    await act(async () => this.#container.querySelector<HTMLElement>(`#${id}`)?.click());
  }
}

/** Lets the server, or anything else, do something, and the page take it. */
export async function happens(what: () => Promise<unknown>): Promise<void> {
  await act(async () => void (await what()));
}

/** Shows the page, or hides it behind another tab. */
export async function visible(is: boolean): Promise<void> {
  Object.defineProperty(document, "visibilityState", { value: is ? "visible" : "hidden", configurable: true });
  await act(async () => void document.dispatchEvent(new window.Event("visibilitychange") as unknown as Event));
}
