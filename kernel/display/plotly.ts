/**
 * Plotly figures that render without the internet wherever HTML does. The first figure of a notebook carries plotly.js,
 * the others wait for it.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { type MimeBundle, sink } from "./sink.ts";

export interface Figure {
  readonly data: readonly Record<string, unknown>[];
  readonly layout?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
}

const DEFAULT_HEIGHT = 450;

/** Legible on light and on dark. */
const NEUTRAL = {
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  font: { color: "#808080" },
  margin: { l: 60, r: 20, t: 50, b: 50 },
};
const AXIS = { gridcolor: "rgba(128,128,128,0.25)", zerolinecolor: "rgba(128,128,128,0.5)" };

/** JSON of a figure: typed arrays as lists, and what JSON has no number for as null (plotly's gap). */
export function figureJson(figure: Figure): string {
  return JSON.stringify(figure, (_key, value: unknown) =>
    ArrayBuffer.isView(value) && !(value instanceof DataView)
      ? Array.from(value as unknown as ArrayLike<number>)
      : value,
  );
}

/** The layout with neutral colours where it says nothing else. */
function themed(layout: Record<string, unknown> = {}): Record<string, unknown> {
  const axes = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))]);
  const styled = Object.fromEntries(
    [...axes].map((axis) => [axis, { ...AXIS, ...(layout[axis] as object) }]),
  );
  return { height: DEFAULT_HEIGHT, ...NEUTRAL, ...layout, ...styled };
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
function loaderScript(): string {
  if (!loader) {
    const file = createRequire(import.meta.url).resolve("plotly.js-dist");
    const data = gzipSync(readFileSync(file), { level: 9 }).toString("base64");
    loader = `<script>(async () => {${WAITER}
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

let figures = 0;

/** The representations of a figure; the first of a notebook (or of its cell, run again) carries plotly.js. */
export function figureBundle(figure: Figure): MimeBundle {
  const id = `ditlab-figure-${process.pid}-${Date.now().toString(36)}-${++figures}`;
  const layout = themed(figure.layout);
  const config = { responsive: true, displaylogo: false, ...figure.config };
  // "</script>" inside of a text would end the script.
  const json = figureJson({ data: figure.data, layout, config }).replaceAll("<", "\\u003c");
  const height = Number(layout.height) || DEFAULT_HEIGHT;
  const script = `<script>(async () => {${WAITER}
  const figure = ${json};
  const late = setTimeout(() => {
    const box = document.getElementById("${id}");
    if (box) box.textContent = "This figure needs the notebook's first figure, which carries plotly.js: run that cell again.";
  }, 15000);
  const plotly = await w.__ditlabPlotly;
  clearTimeout(late);
  const box = document.getElementById("${id}");
  if (!box) return;
  box.textContent = "";
  plotly.newPlot(box, figure.data, figure.layout, figure.config);
})();</script>`;
  const carried = sink().once("plotly") ? loaderScript() : "";
  const title = (figure.layout?.title as { text?: string } | undefined)?.text ?? figure.layout?.title;
  const kinds = figure.data.map(({ type = "scatter" }) => type).join(", ");
  return {
    "text/plain": `Figure${typeof title === "string" ? ` "${title.replace(/<[^>]*>/g, "")}"` : ""}: ${kinds}`,
    "text/html": `<div id="${id}" style="min-height:${height}px;width:100%"></div>${carried}${script}`,
    "application/vnd.plotly.v1+json": JSON.parse(figureJson({ data: figure.data, layout, config })),
  };
}
