// Numbers as people read them.

const whole = new Intl.NumberFormat("en");
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** "65,729 bytes" */
export const bytes = (n) => `${whole.format(n)} ${n === 1 ? "byte" : "bytes"}`;

/** "14.1 MB" */
export function size(n) {
  if (n < 1000) return bytes(n);
  if (n < 1e6) return `${tenths.format(n / 1e3)} kB`;
  return `${tenths.format(n / 1e6)} MB`;
}

/** "0.21 ms", "62 ms", "1.72 s" */
export function time(ms) {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

export const number = (n) => whole.format(n);

export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

/** With a capital and a full stop, if it has no end of its own. */
export const sentence = (text) => (!text || /[.!?]$/.test(text) ? text : `${text[0].toUpperCase()}${text.slice(1)}.`);

/** How many times as large. */
export function ratio(large, small) {
  const times = large / small;
  return times < 10 ? times.toFixed(1) : whole.format(Math.round(times));
}
