/** What a value looks like in a notebook. */
import { types } from "node:util";
import {
  blobBundle,
  elementBundle,
  isColumnTable,
  isElement,
  isNumbers,
  numbersText,
  rowsOf,
} from "./conventions.ts";
import { bytesBundle, imageType, isPixels, isSharp, pixelsBundle, sharpBundle } from "./images.ts";
import { quoted, toText } from "./inspect.ts";
import type { MimeBundle } from "./sink.ts";
import { htmlTable, tableOf, textTable } from "./table.ts";

export { toText };

/** The method by which a value says how it is shown: Deno's convention, so that libraries need to know no kernel. */
export const DISPLAY: unique symbol = Symbol.for("Jupyter.display") as never;

/** A value that shows itself, perhaps after some work. No representation at all means that nothing is to be shown. */
export interface Displayable {
  [DISPLAY](): MimeBundle | Promise<MimeBundle>;
}

const isBundle = (value: unknown): value is MimeBundle =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function checked(bundle: unknown): MimeBundle {
  if (!isBundle(bundle)) throw new TypeError("Jupyter.display must return an object of mime types");
  return bundle;
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function";

/**
 * The representations of a value. Never throws and never rejects: what cannot be shown is said in text. A promise only
 * where rendering takes one (images of `sharp`, values that show themselves asynchronously).
 */
export function toMime(value: unknown): MimeBundle | Promise<MimeBundle> {
  const fallback = (error: unknown): MimeBundle => ({
    "text/plain": `${toText(value)}\n[showing it failed: ${messageOf(error)}]`,
  });
  try {
    const bundle = bundleOf(value);
    return bundle instanceof Promise ? bundle.catch(fallback) : bundle;
  } catch (error) {
    return fallback(error);
  }
}

function messageOf(error: unknown): string {
  try {
    return toText((error as Error)?.message ?? error);
  } catch {
    return toText(error);
  }
}

function bundleOf(value: unknown): MimeBundle | Promise<MimeBundle> {
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    // A proxy's traps are the user's code; its own text is found without them.
    if (types.isProxy(value)) return { "text/plain": toText(value) };
    const show = (value as Partial<Displayable>)[DISPLAY];
    if (typeof show === "function") {
      const shown: unknown = show.call(value as Displayable);
      return isThenable(shown) ? Promise.resolve(shown).then(checked) : checked(shown);
    }
    if (value instanceof Uint8Array && imageType(value)) return bytesBundle(value);
    if (isSharp(value)) return sharpBundle(value);
    if (isPixels(value)) return pixelsBundle(value);
    if (value instanceof Blob) return blobBundle(value);
    if (isElement(value)) return elementBundle(value);
    if (isNumbers(value)) return { "text/plain": toText(value) + numbersText(value) };
    const table = isColumnTable(value) ? rowsOf(value) : tableOf(value);
    if (table) return { "text/plain": textTable(table), "text/html": htmlTable(table) };
  }
  // A text that is the last expression reads as a literal, as in a console.
  return { "text/plain": typeof value === "string" ? quoted(value) : toText(value) };
}
