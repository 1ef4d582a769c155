/** What a cell uses to show things: `display(value)` and makers of values that show themselves. */
import { randomUUID } from "node:crypto";
import {
  bytesBundle,
  isPixels,
  isSharp,
  type Pixels,
  pixelsBundle,
  type SharpLike,
  sharpBundle,
} from "./images.ts";
import { DISPLAY, type Displayable, toMime, toText } from "./mime.ts";
import { type Figure, figureBundle } from "./plotly.ts";
import { type MimeBundle, sink } from "./sink.ts";

export interface DisplayOptions {
  /** The name by which the output can be updated; a new one unless given. */
  id?: string;
  metadata?: Record<string, unknown>;
}

/** Something shown. Awaiting `shown` waits until it is there: only images of `sharp` and the like take time. */
export interface Shown {
  readonly id: string;
  readonly shown: Promise<void>;
  /** Shows another value in its place. */
  update(value: unknown): Shown;
}

function show(value: unknown, { id = randomUUID(), metadata }: DisplayOptions, update: boolean): Shown {
  const bundle = typeof value === "string" ? { "text/plain": value } : toMime(value);
  const place = (data: MimeBundle) => sink().show(data, { id, metadata, update });
  const shown = bundle instanceof Promise ? bundle.then(place) : Promise.resolve(place(bundle));
  return { id, shown, update: (next) => show(next, { id, metadata }, true) };
}

const shows = (bundle: () => MimeBundle | Promise<MimeBundle>): Displayable => ({ [DISPLAY]: bundle });

type Text = string | TemplateStringsArray;

/** Text given as an argument or as a tagged template. */
const textOf = (text: Text, values: unknown[]): string =>
  typeof text === "string" ? text : String.raw({ raw: text }, ...values.map(toText));

const textual =
  (type: string) =>
  (text: Text, ...values: unknown[]): Displayable => {
    const content = textOf(text, values);
    return shows(() => ({ [type]: content, "text/plain": content }));
  };

/** LaTeX goes between dollars, which front ends look for. */
function latex(text: Text, ...values: unknown[]): Displayable {
  const content = typeof text === "string" ? text : String.raw(text, ...values);
  const framed = /^\s*(\$|\\\[|\\\(|\\begin)/.test(content) ? content : `$$${content}$$`;
  return shows(() => ({ "text/latex": framed, "text/plain": content }));
}

function html(text: Text, ...values: unknown[]): Displayable {
  const content = textOf(text, values);
  return shows(() => ({ "text/html": content, "text/plain": content.replace(/<[^>]*>/g, "") }));
}

function image(source: Uint8Array | SharpLike | Pixels): Displayable {
  return shows(() => {
    if (source instanceof Uint8Array) return bytesBundle(source);
    if (isSharp(source)) return sharpBundle(source);
    if (isPixels(source)) return pixelsBundle(source);
    throw new TypeError(
      "display.image: encoded bytes, a sharp image or { width, height, data: RGBA } expected",
    );
  });
}

/**
 * Shows a value in the cell's output, in the order of the calls. The other functions make values that show themselves,
 * as the last expression of a cell or through `display`.
 */
export const display = Object.assign(
  (value: unknown, options: DisplayOptions = {}) => show(value, options, false),
  {
    html,
    latex,
    image,
    markdown: textual("text/markdown"),
    svg: textual("image/svg+xml"),
    json: (value: unknown): Displayable =>
      shows(() => ({ "application/json": value, "text/plain": toText(value) })),
    /** Several representations of one value, by mime type. */
    mime: (bundle: MimeBundle): Displayable => shows(() => bundle),
    /** A plotly figure. */
    plot: (data: Figure["data"], layout: Figure["layout"] = {}, config: Figure["config"] = {}): Displayable =>
      shows(() => figureBundle({ data, layout, config })),
    /** Clears the cell's output, with `wait` only when there is something else to show. */
    clear: ({ wait = false }: { wait?: boolean } = {}): void => sink().clear(wait),
  },
);

export type Display = typeof display;
