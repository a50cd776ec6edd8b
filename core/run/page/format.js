// Numbers with their units, as people read them.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n) => (n == null || n < 0 ? "–" : n < 100_000 ? grouped.format(n) : short.format(n));
export const exact = (n) => (n == null || n < 0 ? "–" : grouped.format(n));
export const rate = (n) => (n == null ? "–" : n < 10 ? tenths.format(n) : count(n));

// [number, unit] of what is given in milliseconds.
export function duration(ms) {
  if (ms == null || ms < 0) return ["–", ""];
  if (ms < 1000) return [ms < 10 && ms > 0 ? tenths.format(ms) : grouped.format(ms), "ms"];
  if (ms < 120_000) return [tenths.format(ms / 1000), "s"];
  if (ms < 7_200_000) return [grouped.format(ms / 60_000), "min"];
  if (ms < 172_800_000) return [tenths.format(ms / 3_600_000), "h"];
  return [grouped.format(ms / 86_400_000), "days"];
}

export function bytes(n) {
  if (n == null || n < 0) return ["–", ""];
  if (n < 1e6) return [tenths.format(n / 1e3), "kB"];
  if (n < 1e9) return [tenths.format(n / 1e6), "MB"];
  return [tenths.format(n / 1e9), "GB"];
}

export const spaced = ([number, unit]) => (unit ? `${number} ${unit}` : number);

// A time of day, with its day where that is not today.
export function moment(ms) {
  const day = new Date(ms).toDateString() === new Date().toDateString() ? "" : new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short" }) + " ";
  return day + clock(ms);
}

export function clock(ms, seconds = true) {
  return new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) });
}
