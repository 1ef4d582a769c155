/** Numbers and lists as a reader sees them. Values that are not finite read "n/a". */

/** Shown in place of a value that is missing or not finite. */
export const NOT_AVAILABLE = "n/a";

/** How the values of one quantity are written. */
export interface NumberFormat {
  unit: "plain" | "percent";
  digits: number;
}

/** Fixed-point text with a real minus sign and thousands separators. */
export function formatFixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return NOT_AVAILABLE;
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return (Number(value.toFixed(digits)) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

/** A value in its own format; fractions of format `percent` are written as percentages. */
export function formatValue(value: number, format: NumberFormat): string {
  if (!Number.isFinite(value)) return NOT_AVAILABLE;
  if (format.unit === "percent") return `${formatFixed(value * 100, format.digits)}\u00a0%`;
  return formatFixed(value, format.digits);
}

/** A difference with its sign; those of percentages are in percentage points (`pp`), with one decimal more. */
export function formatDifference(value: number, format: NumberFormat): string {
  if (!Number.isFinite(value)) return NOT_AVAILABLE;
  const percent = format.unit === "percent";
  const scaled = percent ? value * 100 : value;
  const digits = percent ? format.digits + 1 : format.digits;
  const rounded = Number(scaled.toFixed(digits));
  const sign = rounded > 0 ? "+" : "";
  return `${sign}${formatFixed(scaled, digits)}${percent ? "\u00a0pp" : ""}`;
}

/** From one difference to another, the unit after the second. */
export function formatInterval([low, high]: readonly [number, number], format: NumberFormat): string {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return NOT_AVAILABLE;
  const [from, to] = [low, high].map((end) => formatDifference(end, format));
  return `${from.replace("\u00a0pp", "")} to ${to}`;
}

/** How many decimals give about four significant digits to the largest of these values. */
export function digitsFor(values: readonly number[]): number {
  const largest = Math.max(0, ...values.filter(Number.isFinite).map(Math.abs));
  if (largest === 0) return 2;
  return Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(largest))));
}

/** Integer with thousands separators. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : NOT_AVAILABLE;
}

/** `1 seed`, `3 seeds`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export const formatGigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

/** Seconds as `85 ms`, `4.2 s`, `3 min 05 s` or `2 h 07 min`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return NOT_AVAILABLE;
  if (seconds < 1) return `${formatFixed(seconds * 1000, seconds < 0.1 ? 1 : 0)}\u00a0ms`;
  if (seconds < 59.95) return `${formatFixed(seconds, 1)}\u00a0s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${String(whole % 60).padStart(2, "0")}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}\u00a0h ${String(minutes % 60).padStart(2, "0")}\u00a0min`;
}

/** `a`, `a and b`, `a, b and c`. */
export function joinList(items: readonly string[]): string {
  if (items.length <= 1) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** With a capital first letter. */
export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A setting's name as words: `learningRate` and `learning-rate` become `learning rate`; what has words stays as it is. */
export function words(name: string): string {
  if (/\s/.test(name)) return name;
  return name
    .replace(/([a-z0-9])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`)
    .replace(/[_-]+/g, " ");
}

/** A date as `23 November 2026, 06:35 UTC`, or the text itself when it is no date. */
export function formatDate(text: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const day = date.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
    timeZone: "UTC",
  });
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`;
}
