/**
 * Plotly figures that render without the internet wherever HTML does. The first figure of a notebook is preceded by an
 * output that carries plotly.js, and all wait for it, so that they may come in any order. It stands apart because a
 * figure that is updated is replaced whole.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { toJson } from "./json.ts";
import { type MimeBundle, sink } from "./sink.ts";

export interface Figure {
  readonly data: readonly Record<string, unknown>[];
  readonly layout?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
}

const DEFAULT_HEIGHT = 450;
/** After how long a figure says that plotly.js is missing, in milliseconds. */
const PATIENCE = 10_000;

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
/** Digits of the numbers in a figure: as many as tell 32-bit floats apart, half of what they have as 64-bit ones. */
const DIGITS = 9;

/** The layout with neutral colours where it says nothing else. */
function themed(layout: Record<string, unknown> = {}): Record<string, unknown> {
  const axes = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))]);
  const styled = Object.fromEntries(
    [...axes].map((axis) => [axis, { ...AXIS, ...(layout[axis] as object) }]),
  );
  const font = { ...NEUTRAL.font, ...(layout.font as object) };
  return { height: DEFAULT_HEIGHT, ...NEUTRAL, ...layout, font, ...styled };
}

/** A script that gives the page `window.__ditlabPlotly`, a promise of plotly, resolved by whichever output carries it. */
const WAITER = `
  const w = window;
  if (!w.__ditlabPlotly) w.__ditlabPlotly = new Promise((resolve) => { w.__ditlabPlotlyReady = resolve; });`;

let loader: string | undefined;

/**
 * The script that carries plotly.js: gzip in base64 (10 MB become 2.6 MB), run as a function of its own so that pages
 * with an AMD loader (the classic Notebook) do not take the module for theirs.
 */
export function loaderHtml(): string {
  if (!loader) {
    // Only its file is read: importing it needs a browser.
    const source = readFileSync(createRequire(import.meta.url).resolve("plotly.js-dist"));
    const data = gzipSync(source, { level: 9 }).toString("base64");
    loader = `<!-- plotly.js, MIT licence, https://github.com/plotly/plotly.js --><script>(async () => {${WAITER}
  if (w.__ditlabPlotlyLoaded) return;
  w.__ditlabPlotlyLoaded = true;
  const bytes = Uint8Array.from(atob("${data}"), (c) => c.charCodeAt(0));
  const source = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const module = { exports: {} };
  new Function("module", "exports", "define", "self", source).call(w, module, module.exports, undefined, w);
  w.__ditlabPlotlyReady(module.exports);
})();</script>`;
  }
  return loader;
}

/** What a figure says until it is drawn, and where it never is. */
const note = (text: string) => `<p style="opacity:0.7;font-size:0.9em">${text}</p>`;

const MISSING = note(
  "This figure needs plotly.js, which came with the notebook's first figure: run the cell of that one again.",
);
const SCRIPTLESS = note("A figure, drawn by a script: it is shown once the notebook is trusted.");
const LOADING = note("The figure is on its way …");

/** A place for the figure, and the script that draws it there: some front ends run it before the place is on the page. */
function figureHtml(json: string, height: number): string {
  // The same figure has the same place, so that a notebook that is run again stays the same text.
  const id = `ditlab-figure-${createHash("sha256").update(json).digest("hex").slice(0, 12)}`;
  return `<div class="${id}" style="min-height:${height}px;width:100%">${SCRIPTLESS}</div><script>(async () => {${WAITER}
  const boxes = () => [...document.getElementsByClassName("${id}")].filter((box) => !box.dataset.drawn);
  const say = (text) => { for (const box of boxes()) box.innerHTML = text; };
  say(${JSON.stringify(LOADING)});
  const late = setTimeout(() => say(${JSON.stringify(MISSING)}), ${PATIENCE});
  const plotly = await w.__ditlabPlotly;
  clearTimeout(late);
  for (let tries = 0; tries < 100 && boxes().length === 0; tries++) await new Promise((r) => setTimeout(r, 50));
  for (const box of boxes()) {
    box.dataset.drawn = "yes";
    box.innerHTML = "";
    const { data, layout, config } = ${json};
    plotly.newPlot(box, data, layout, config);
  }
})();</script>`;
}

const titleOf = ({ title }: Record<string, unknown> = {}): string | undefined => {
  const text = typeof title === "object" && title !== null ? (title as { text?: unknown }).text : title;
  return typeof text === "string" ? text.replace(/<[^>]*>/g, "") : undefined;
};

/** The representations of a figure; before a notebook's first one, plotly.js is shown. */
export function figureBundle({ data, layout, config }: Figure): MimeBundle {
  if (!Array.isArray(data))
    throw new TypeError(`display.plot: a list of traces expected, got ${typeof data}`);
  const figure = {
    data,
    layout: themed(layout),
    config: { responsive: true, displaylogo: false, ...config },
  };
  const json = toJson(figure, DIGITS);
  if (sink().once("plotly")) sink().show({ "text/html": loaderHtml(), "text/plain": "" }, {});
  const kinds = [...new Set(data.map(({ type = "scatter" }) => String(type)))].join(", ");
  const title = titleOf(layout);
  return {
    "text/plain": `Figure${title === undefined ? "" : ` "${title}"`}: ${kinds}`,
    // "</script>" inside of a text would end the script.
    "text/html": figureHtml(json.replaceAll("<", "\\u003c"), Number(figure.layout.height) || DEFAULT_HEIGHT),
    "application/vnd.plotly.v1+json": JSON.parse(json),
  };
}
