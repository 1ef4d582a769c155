/** What a cell uses to show things: `display(value)` and makers of values that show themselves. */
import { randomUUID } from "node:crypto";
import { checkStart, type PictureFrames, pictureFrames } from "./frames.ts";
import {
  bytesBundle,
  type ImageOptions,
  isPixels,
  isSharp,
  type Pixels,
  pixelsBundle,
  type SharpLike,
  sharpBundle,
} from "./images.ts";
import { toJson } from "./json.ts";
import { DISPLAY, type Displayable, toMime, toText } from "./mime.ts";
import { type Figure, type Frames, figureBundle, framesFigure } from "./plotly.ts";
import { type MimeBundle, sink } from "./sink.ts";
import { escapeHtml } from "./table.ts";

export interface DisplayOptions {
  /** The name by which the output can be updated; a new one unless given. */
  id?: string;
  metadata?: Record<string, unknown>;
}

/**
 * Something shown. As the last expression of a cell it shows nothing more.
 *
 * Outputs stand in the order of the calls. What takes time to render (images of `sharp`, and values whose
 * `Jupyter.display` returns a promise) gets its place at once and its picture when it is ready; `shown` resolves then,
 * and a notebook's cell is not done before.
 */
export interface Shown extends Displayable {
  readonly id: string;
  readonly shown: Promise<void>;
  /** Shows another value in its place. */
  update(value: unknown): Shown;
}

/** The outputs whose picture is on its way: one that comes late must not replace a newer one. */
const latest = new Map<string, number>();
let count = 0;

function show(value: unknown, { id = randomUUID(), metadata }: DisplayOptions, update: boolean): Shown {
  const bundle = typeof value === "string" ? { "text/plain": value } : toMime(value);
  const place = (data: MimeBundle, update: boolean): void => {
    // Nothing to show is not an empty output.
    if (Object.keys(data).length > 0) sink().show(data, { id, metadata, update });
  };
  let shown = Promise.resolve();
  if (bundle instanceof Promise) {
    const { notebook, wait } = sink();
    if (notebook && !update) place({ "text/plain": "" }, false);
    const number = ++count;
    latest.set(id, number);
    shown = bundle.then((data) => {
      if (latest.get(id) !== number) return;
      latest.delete(id);
      place(data, notebook || update);
    });
    wait?.(shown);
  } else {
    latest.delete(id);
    place(bundle, update);
  }
  return {
    id,
    shown,
    update: (next) => show(next, { id, metadata }, true),
    [DISPLAY]: () => ({}),
  };
}

const shows = (bundle: () => MimeBundle | Promise<MimeBundle>): Displayable => ({ [DISPLAY]: bundle });

/** Text given as an argument, or as a tagged template. */
type Text = string | TemplateStringsArray;

/**
 * A template's text as it is written, so that `$\alpha$` needs no second backslash; only what a template itself has to
 * escape, the backtick and `${`, loses its backslash.
 */
const written = (text: TemplateStringsArray, values: string[]): string =>
  String.raw({ raw: text.raw.map((part) => part.replace(/\\(`|\$\{)/g, "$1")) }, ...values);

const textOf = (text: Text, values: unknown[]): string =>
  typeof text === "string" ? text : written(text, values.map(toText));

function markdown(text: Text, ...values: unknown[]): Displayable {
  const content = textOf(text, values);
  return shows(() => ({ "text/markdown": content, "text/plain": content }));
}

const isFigure = (value: Figure | Figure["data"]): value is Figure =>
  typeof value === "object" && value !== null && "data" in value;

/** LaTeX goes between dollars, which front ends look for. */
function latex(text: Text, ...values: unknown[]): Displayable {
  const content = textOf(text, values);
  const framed = /^\s*(\$|\\\[|\\\(|\\begin)/.test(content) ? content : `$$${content}$$`;
  return shows(() => ({ "text/latex": framed, "text/plain": content }));
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " " };

/** The text of HTML, roughly: for front ends that show nothing richer. */
const withoutTags = (text: string): string =>
  text
    .replace(/<(script|style)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<[^>]*>/g, "")
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&(\w+);/g, (entity, name) => ENTITIES[name] ?? entity)
    .trim();

function html(text: Text, ...values: unknown[]): Displayable {
  const content = typeof text === "string" ? text : written(text, values.map(toText).map(escapeHtml));
  return shows(() => ({ "text/html": content, "text/plain": withoutTags(content) }));
}

function image(source: Uint8Array | SharpLike | Pixels, options: ImageOptions = {}): Displayable {
  return shows(() => {
    if (source instanceof Uint8Array) return bytesBundle(source, options);
    if (isSharp(source)) return sharpBundle(source, options);
    if (isPixels(source)) return pixelsBundle(source, options);
    throw new TypeError(
      "display.image: encoded bytes, a sharp image or { width, height, data: RGBA } expected",
    );
  });
}

/**
 * Shows a value in the cell's output, in the order of the calls: `const shown = display(a); shown.update(b)`. The other
 * functions make values that show themselves, as the last expression of a cell or through `display`.
 */
export const display = Object.assign(
  (value: unknown, options: DisplayOptions = {}): Shown => show(value, options, false),
  {
    /** HTML. In a tagged template the inserted values are text, and so escaped. */
    html,
    /** Markdown, as text or as a tagged template. */
    markdown,
    /** A formula in LaTeX, with or without its dollars, as text or as a tagged template. */
    latex,
    /** An SVG document. */
    svg: (text: string): Displayable => shows(() => ({ "image/svg+xml": text, "text/plain": "SVG image" })),
    /** A value as JSON, which some front ends show as a tree. */
    json: (value: unknown): Displayable =>
      shows(() => ({ "application/json": JSON.parse(toJson(value)), "text/plain": toText(value) })),
    /** PNG, JPEG, GIF, WebP or SVG bytes, a `sharp` image, or RGBA pixels. */
    image,
    /**
     * A plotly figure: its traces, layout and configuration. In the layout a title, and an axis that only has a title, may
     * be a text: `display.plot([{ y }], { title: "Training", xaxis: "step", yaxis: "loss" })`. Or a figure in one object, as
     * plotly writes them, with `frames` for its sliders: `display.plot({ data, layout, frames })`.
     */
    plot: (
      figure: Figure["data"] | Figure,
      layout: Figure["layout"] = {},
      config: Figure["config"] = {},
      frames: Figure["frames"] = [],
    ): Displayable =>
      shows(() =>
        figureBundle(
          isFigure(figure) ? { layout, config, frames, ...figure } : { data: figure, layout, config, frames },
        ),
      ),
    /**
     * A figure, or a picture, for each of some values, with a slider that chooses among them. All are made now, so that it
     * moves without a kernel, in pages too: `display.frames({ label: "t", values: [0, 0.5, 1], traces: (t) => [{ y: f(t) }] })`,
     * or with `image: (t) => imageGrid(at(t))` for pictures. Fix the ranges of a figure's axes in the layout where they
     * should not follow the traces.
     */
    frames: <V>(
      frames: Frames<V> | PictureFrames<V>,
      layout: Figure["layout"] & { title?: string } = {},
      config: Figure["config"] = {},
    ): Displayable => {
      if ("image" in frames) {
        checkStart(frames.start ?? 0, frames.values.length);
        return shows(() => pictureFrames(frames, layout));
      }
      const figure = framesFigure(frames, layout);
      return shows(() => figureBundle({ ...figure, config }));
    },
    /** Several representations of one value, by mime type. */
    mime: (bundle: MimeBundle): Displayable => shows(() => bundle),
    /**
     * Clears the cell's output, with `wait` only when there is something else to show. For what changes while it is
     * watched, `update` is better: it leaves the other outputs alone.
     */
    clear: ({ wait = false }: { wait?: boolean } = {}): void => sink().clear(wait),
  },
);

export type Display = typeof display;
