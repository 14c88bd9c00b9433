// Numbers and times for people.
const grouped = new Intl.NumberFormat('en-US', {maximumFractionDigits: 0});

/** 12345 -> "12,345" */
export const count = (value) => grouped.format(value);

/** Three digits or a little more: "0.12", "12.3", "1,234", "20 K", "1.2 M". */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(size >= 1e5 || value % 1000 === 0 ? 0 : 1)} K`;
  if (size >= 100 || Number.isInteger(value)) return count(value);
  return value.toFixed(size >= 10 ? 1 : 2);
}

export const percent = (share) => (100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0);

/** "4.2 s", "3 min 05 s", "2 h 10 min", "5 d 3 h" */
export function span(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
}

/** The time of day where the reader is: "14:05". */
export function clock(seconds) {
  return new Date(1000 * seconds).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', hour12: false});
}

/** A date as the server counts days, in UTC: "2026-11-30". */
export const utcDay = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 10);
