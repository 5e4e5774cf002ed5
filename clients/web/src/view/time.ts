const DAY = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** The number of a day in the user's time zone. */
export function dayOf(at: string): number {
  const moment = new Date(at);
  return Math.floor((moment.getTime() - moment.getTimezoneOffset() * 60_000) / DAY);
}

function daysAgo(at: string): number {
  return dayOf(new Date().toISOString()) - dayOf(at);
}

export function timeOf(at: string): string {
  return clock.format(new Date(at));
}

export function fullTime(at: string): string {
  return full.format(new Date(at));
}

/** A day for a line between messages: "Today", "Monday", "3 Feb". */
export function dayName(at: string): string {
  const days = daysAgo(at);
  const moment = new Date(at);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days < 7) return weekday.format(moment);
  return (moment.getFullYear() === new Date().getFullYear() ? date : year).format(moment);
}

/** A moment for the inbox: the time if it is today's, else the day. */
export function brief(at: string): string {
  return daysAgo(at) <= 0 ? timeOf(at) : dayName(at);
}
