/** Plotly figures: from traces and a layout to what front ends show of them. */
import { checkStart } from "./frames.ts";
import { toJson } from "./json.ts";
import { encodedTraces } from "./plotly-data.ts";
import { type Edition, figureHtml, loaderHtml } from "./plotly-page.ts";
import { type MimeBundle, sink } from "./sink.ts";

export interface Figure {
  readonly data: readonly Record<string, unknown>[];
  readonly layout?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
  /** plotly's frames, through which its own sliders and buttons go. */
  readonly frames?: readonly (Record<string, unknown> & { data?: Figure["data"] })[];
}

/** One figure for each of some values, with a slider that chooses among them. */
export interface Frames<V> {
  /** What the values are, such as "t" or "step". */
  readonly label: string;
  readonly values: readonly V[];
  /** The traces of a value; as many for each value or not. */
  readonly traces: (value: V, index: number) => Figure["data"];
  /** Traces that stay whatever is chosen, drawn below the others. */
  readonly still?: Figure["data"];
  /** Which value is shown first, by its index; the first unless given. */
  readonly start?: number;
}

const DEFAULT_HEIGHT = 450;

/** Legible on light and on dark. */
const NEUTRAL = {
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  font: { color: "#808080" },
  margin: { l: 60, r: 20, t: 50, b: 50 },
};
const AXIS = {
  gridcolor: "rgba(128,128,128,0.25)",
  zerolinecolor: "rgba(128,128,128,0.5)",
  // Long labels, and axes on the right, have room.
  automargin: true,
};
/** Digits of the numbers in a figure: more than can be seen, a third of what they have as 64-bit floats. */
const DIGITS = 6;

/** What the small edition of plotly.js draws, and may come with most notebooks; the whole one is four times as large. */
const SMALL_EDITION = new Set(
  "bar box contour heatmap histogram histogram2d histogram2dcontour image pie scatter scatterternary violin".split(
    " ",
  ),
);

const kindsOf = (data: Figure["data"]): string[] => [
  ...new Set(data.map(({ type = "scatter" }) => String(type))),
];

/** The least plotly.js that draws the traces. */
export const editionOf = (data: Figure["data"]): Edition =>
  kindsOf(data).every((kind) => SMALL_EDITION.has(kind)) ? "cartesian" : "whole";

/** A title of plotly's, which may be written as its text alone. */
const titled = (value: unknown): unknown => (typeof value === "string" ? { text: value } : value);

/** The layout with neutral colours where it says nothing else; a title, and an axis that is its title, may be a text. */
function themed(layout: Record<string, unknown> = {}): Record<string, unknown> {
  const axes = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))]);
  const styled = Object.fromEntries(
    [...axes].map((axis) => {
      const given = layout[axis];
      const { title, ...rest } = (typeof given === "string" ? { title: given } : (given ?? {})) as Record<
        string,
        unknown
      >;
      return [axis, { ...AXIS, ...rest, ...(title === undefined ? {} : { title: titled(title) }) }];
    }),
  );
  const font = { ...NEUTRAL.font, ...(layout.font as object) };
  const title = layout.title === undefined ? {} : { title: titled(layout.title) };
  return { height: DEFAULT_HEIGHT, ...NEUTRAL, ...layout, font, ...title, ...styled };
}

/** A legend in a row over the plot: beside it, it takes half the width of a phone. */
const LEGEND = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" };

/**
 * The layout as a page has it: a title that is only text stands over the figure, where it is wrapped at any width and the
 * tool bar does not cover it.
 */
function onPage(layout: Record<string, unknown>, given: Record<string, unknown> = {}) {
  const title = layout.title as { text?: unknown } | undefined;
  const isPlain = title !== undefined && typeof title.text === "string" && Object.keys(title).length === 1;
  const rest: Record<string, unknown> = { ...layout, legend: { ...LEGEND, ...(layout.legend as object) } };
  if (!("margin" in given)) rest.margin = { ...NEUTRAL.margin, t: isPlain || !title ? 20 : NEUTRAL.margin.t };
  if (!isPlain) return { layout: rest, title: "" };
  const { title: _, ...untitled } = rest;
  return { layout: untitled, title: String(title.text) };
}

const plainTitle = (layout: Record<string, unknown>): string | undefined => {
  const { text } = (layout.title ?? {}) as { text?: unknown };
  return typeof text === "string" ? text.replace(/<[^>]*>/g, "") : undefined;
};

/**
 * The representations of a figure; before a notebook's first one, plotly.js is shown. A promise where numbers have to come
 * from a GPU.
 */
export function figureBundle(figure: Figure): MimeBundle | Promise<MimeBundle> {
  const { data: traces, frames = [] } = figure;
  if (!Array.isArray(traces))
    throw new TypeError(`display.plot: a list of traces expected, got ${typeof traces}`);
  // One list, of which each frame has its part.
  const lists = [traces, ...frames.map(({ data = [] }) => data)];
  const encoded = encodedTraces(lists.flat());
  const parts = (all: Figure["data"]): Figure => {
    const rest = [...all];
    const [data, ...steps] = lists.map(({ length }) => rest.splice(0, length));
    const stepped = frames.map((frame, i) => ({ ...frame, ...(frame.data ? { data: steps[i] } : {}) }));
    return { ...figure, data, frames: stepped };
  };
  return encoded instanceof Promise ? encoded.then((all) => bundleOf(parts(all))) : bundleOf(parts(encoded));
}

function bundleOf({ data, layout: given, config: asked, frames = [] }: Figure): MimeBundle {
  const kinds = kindsOf(data);
  const edition = editionOf(data);
  const layout = themed(given);
  const config = { responsive: true, displaylogo: false, ...asked };
  if (sink().once(`plotly ${edition}`))
    sink().show({ "text/html": loaderHtml(edition), "text/plain": "" }, { shipped: true });
  const title = plainTitle(layout);
  const page = onPage(layout, given);
  const height = Number(layout.height) || DEFAULT_HEIGHT;
  // The data may be large: they become text once.
  const [traces, settings, steps] = [data, config, frames].map((value) => toJson(value, DIGITS));
  const stepping = frames.length > 0 ? `,"frames":${steps}` : "";
  const json = (layout: unknown): string =>
    `{"data":${traces},"layout":${toJson(layout, DIGITS)},"config":${settings}${stepping}}`;
  return {
    "text/plain": `Figure${title === undefined ? "" : ` "${title}"`}: ${kinds.join(", ")}`,
    "text/html": figureHtml(json(page.layout), { ...page, height, edition }),
    "application/vnd.plotly.v1+json": JSON.parse(json(layout)),
  };
}

/** The figure with a slider: the traces of all values, of which those of one are visible, so that no kernel is needed. */
export function framesFigure<V>(
  { label, values, traces, still = [], start = 0 }: Frames<V>,
  layout: Figure["layout"] = {},
): Figure {
  checkStart(start, values.length);
  const groups = values.map(traces);
  const visible = (chosen: number) => [
    ...still.map(() => true),
    ...groups.flatMap((group, i) => group.map(() => i === chosen)),
  ];
  const shown = visible(start);
  const slider = {
    active: start,
    currentvalue: { prefix: `${label} = ` },
    pad: { t: 60 },
    // Room for the labels of its ends.
    ...{ x: 0.04, len: 0.92 },
    steps: values.map((value, i) => ({
      label: String(value),
      method: "restyle",
      args: ["visible", visible(i)],
    })),
  };
  const data = [...still, ...groups.flat()].map((trace, i) => ({ ...trace, visible: shown[i] }));
  return { data, layout: { ...layout, sliders: [slider] } };
}
