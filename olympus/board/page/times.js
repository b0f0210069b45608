// Times as people say them: just now, 5 min ago, 14:05, yesterday.

const MINUTE = 60_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** How long ago a time was, or when. @param {Date} at @param {Date} [now] */
export function ago(at, now = new Date()) {
  const passed = now.getTime() - at.getTime();
  if (passed < 0.75 * MINUTE) return "just now";
  if (passed < 59.5 * MINUTE) return `${Math.max(1, Math.round(passed / MINUTE))} min ago`;
  return clock.format(at);
}

/** The day of a time. @param {Date} at @param {Date} [now] */
export function dayOf(at, now = new Date()) {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days <= 0) return "Today";
  return days === 1 ? "Yesterday" : day.format(at);
}

/** Whether two times are on one day. @param {Date} one @param {Date} other */
export const sameDay = (one, other) => midnight(one) === midnight(other);

/** The whole of it. @param {Date} at */
export const exactly = (at) => exact.format(at);

/** The time of day. @param {Date} at */
export const timeOfDay = (at) => clock.format(at);

/** @param {Date} at */
function midnight(at) {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
