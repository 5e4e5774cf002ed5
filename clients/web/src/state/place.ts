import { computed, signal } from "@preact/signals";

/** The part of the address after `#`, which says what the page shows: a room (`#/alice,bob`), or the inbox alone. */
const fragment = signal(location.hash);

addEventListener("hashchange", () => (fragment.value = location.hash));

/** The room that is shown. */
export const place = computed(() => {
  const [, room] = /^#\/(.+)$/.exec(fragment.value) ?? [];
  try {
    return room && decodeURIComponent(room);
  } catch {
    return undefined;
  }
});

/** Shows a room, or the inbox alone. */
export function go(room?: string): void {
  location.hash = room === undefined ? "" : `/${encodeURIComponent(room)}`;
}

/** Takes a secret out of the address: `#token=...` or `#invite=...`. It is in no history and no bookmark then. */
export function takeFragment(name: "token" | "invite"): string | undefined {
  const prefix = `#${name}=`;
  if (!location.hash.startsWith(prefix)) return undefined;
  const secret = decodeURIComponent(location.hash.slice(prefix.length));
  history.replaceState(null, "", location.pathname + location.search);
  fragment.value = "";
  return secret;
}
