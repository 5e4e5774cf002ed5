import { signal } from "@preact/signals";

const KEY = "chat.theme";
const ALL = ["auto", "light", "dark"] as const;

/** The colours that the user wants: those of the device, or always the light or dark ones. */
export const theme = signal<(typeof ALL)[number]>(ALL.find((one) => one === localStorage.getItem(KEY)) ?? "auto");

theme.subscribe((now) => (document.documentElement.dataset["theme"] = now));

export function nextTheme(): void {
  const next = ALL[(ALL.indexOf(theme.value) + 1) % ALL.length] ?? "auto";
  localStorage.setItem(KEY, next);
  theme.value = next;
}
