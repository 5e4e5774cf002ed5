import { signal } from "@preact/signals";
import { takeFragment } from "./place.js";

/** The key of the invitation of this tab, which is kept while its user logs in, perhaps on another page. */
const KEY = "chat.invitation";

/** The secret of the invitation that the user has followed, until they accept it or not. */
export const invitation = signal(sessionStorage.getItem(KEY));

export function keepInvitation(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
  invitation.value = token;
}

/** Takes an invitation out of the address. */
function take(): void {
  const token = takeFragment("invite");
  if (token) keepInvitation(token);
}

take();
addEventListener("hashchange", take);
