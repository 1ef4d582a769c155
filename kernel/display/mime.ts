/** What a value looks like in a notebook. */
import { inspect, types } from "node:util";
import { bytesBundle, imageType, isPixels, isSharp, pixelsBundle, sharpBundle } from "./images.ts";
import type { MimeBundle } from "./sink.ts";
import { htmlTable, tableRows, textTable } from "./table.ts";

/** The method by which a value says how it is shown: Deno's convention, so that libraries need to know no kernel. */
export const DISPLAY: unique symbol = Symbol.for("Jupyter.display") as never;

/** A value that shows itself, perhaps after some work. */
export interface Displayable {
  [DISPLAY](): MimeBundle | Promise<MimeBundle>;
}

/** Longer text than this is cut in the middle: no reader gets further, and a front end chokes on it. */
const MAX_TEXT = 100_000;

function shorten(text: string): string {
  if (text.length <= MAX_TEXT) return text;
  const half = MAX_TEXT / 2;
  return `${text.slice(0, half)}\n… ${text.length - MAX_TEXT} characters …\n${text.slice(-half)}`;
}

interface TensorLike {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly isDisposed?: boolean;
  toString(): string;
}

const isTensor = (value: object): value is TensorLike => {
  const { shape, dtype } = value as Partial<TensorLike>;
  return Array.isArray(shape) && typeof dtype === "string" && value.toString !== Object.prototype.toString;
};

function tensorText(tensor: TensorLike): string {
  const head = `Tensor ${tensor.dtype} [${tensor.shape.join(", ")}]`;
  if (tensor.isDisposed) return `${head}, disposed`;
  return `${head}\n${String(tensor).replace(/^Tensor\n/, "")}`;
}

/** A value as text; also one whose own methods throw. */
export function toText(value: unknown): string {
  if (typeof value === "string") return shorten(value);
  try {
    if (typeof value === "object" && value !== null && !types.isProxy(value) && isTensor(value))
      return shorten(tensorText(value));
    const options = { depth: 4, maxArrayLength: 100, maxStringLength: 10_000, colors: false };
    return shorten(value instanceof Error ? (value.stack ?? String(value)) : inspect(value, options));
  } catch (error) {
    let reason = "";
    try {
      reason = `: ${(error as Error).message}`;
    } catch {
      // What it threw cannot be shown either.
    }
    return `[a value that cannot be shown${reason}]`;
  }
}

const isBundle = (value: unknown): value is MimeBundle =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The representations of a value. Never throws and never rejects: what cannot be shown is said in text. A promise only
 * where rendering takes one (images of `sharp`, values that show themselves asynchronously).
 */
export function toMime(value: unknown): MimeBundle | Promise<MimeBundle> {
  const fallback = (error: unknown): MimeBundle => ({
    "text/plain": `${toText(value)}\n[showing it failed: ${toText((error as Error)?.message ?? error)}]`,
  });
  try {
    const bundle = bundleOf(value);
    return bundle instanceof Promise ? bundle.catch(fallback) : bundle;
  } catch (error) {
    return fallback(error);
  }
}

function bundleOf(value: unknown): MimeBundle | Promise<MimeBundle> {
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    // A proxy's traps are the user's code; its own text is found without them.
    if (types.isProxy(value)) return { "text/plain": toText(value) };
    const show = (value as Partial<Displayable>)[DISPLAY];
    if (typeof show === "function") {
      const shown = show.call(value as Displayable);
      const check = (bundle: unknown): MimeBundle => {
        if (!isBundle(bundle)) throw new TypeError("Jupyter.display must return an object of mime types");
        return bundle;
      };
      return shown instanceof Promise ? shown.then(check) : check(shown);
    }
    if (value instanceof Uint8Array && imageType(value)) return bytesBundle(value);
    if (isSharp(value)) return sharpBundle(value);
    if (isPixels(value)) return pixelsBundle(value);
    const rows = tableRows(value);
    if (rows) return { "text/plain": textTable(rows), "text/html": htmlTable(rows) };
  }
  // A text that is the last expression reads as a literal, as in a console.
  return {
    "text/plain":
      typeof value === "string" ? shorten(inspect(value, { maxStringLength: MAX_TEXT })) : toText(value),
  };
}
