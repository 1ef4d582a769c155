/**
 * Plotly figures on a page: they render without the internet wherever HTML does. The first figure of a notebook is preceded
 * by an output that carries plotly.js, and all wait for it, so that they may come in any order. It stands apart because a
 * figure that is updated is replaced whole.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { figureHeading } from "./frames.ts";

/** After how long a figure says that plotly.js is missing, in milliseconds. */
const PATIENCE = 10_000;

/** Which plotly.js: the small one for charts in a plane, or all of it. */
export type Edition = "cartesian" | "whole";
const PACKAGES: Record<Edition, string> = {
  cartesian: "plotly.js-cartesian-dist-min",
  whole: "plotly.js-dist",
};

/** Where an edition's source lies: only the file is read, as importing it needs a browser. */
export const plotlyFile = (edition: Edition): string =>
  createRequire(import.meta.url).resolve(PACKAGES[edition]);

/** A script that makes `slot`, where the page has a promise of an edition, resolved by whichever output carries it. */
const waiter = (edition: Edition) => `
  const w = window;
  const slots = (w.__ditlabPlotly ??= {});
  const slot = (slots.${edition} ??= {});
  slot.plotly ??= new Promise((resolve) => { slot.ready = resolve; });`;

/** By which an output that carries plotly.js is known. */
export const LOADER_START = "<!-- plotly.js";

const loaders = new Map<Edition, string>();

/**
 * The script that carries plotly.js: gzip in base64 (1.5 MB become 0.7 MB, all of it 2.6 MB), run as a function of its own
 * so that pages with an AMD loader (the classic Notebook) do not take the module for theirs.
 */
export function loaderHtml(edition: Edition): string {
  let loader = loaders.get(edition);
  if (loader === undefined) {
    const source = readFileSync(plotlyFile(edition));
    const data = gzipSync(source, { level: 9 }).toString("base64");
    loader = `${LOADER_START}, MIT licence, https://github.com/plotly/plotly.js --><script>(async () => {${waiter(edition)}
  if (slot.loaded) return;
  slot.loaded = true;
  const bytes = Uint8Array.from(atob("${data}"), (c) => c.charCodeAt(0));
  const source = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const module = { exports: {} };
  new Function("module", "exports", "define", "self", source).call(w, module, module.exports, undefined, w);
  slot.ready(module.exports);
})();</script>`;
    loaders.set(edition, loader);
  }
  return loader;
}

/** What a figure says until it is drawn, and where it never is. */
const note = (text: string) => `<p style="opacity:0.7;font-size:0.9em">${text}</p>`;

const MISSING = note(
  "This figure needs plotly.js, which came with the notebook's first figure: run the cell of that one again.",
);
/** What stands in a figure's place where no script draws it. */
export const SCRIPTLESS = note("A figure, drawn by a script: it is shown once the notebook is trusted.");
const LOADING = note("The figure is on its way …");

/** A title as HTML: of what plotly reads in a text, line breaks are kept. */
const heading = (title: string): string =>
  figureHeading(title.split(/<br\s*\/?>/i).map((line) => line.replace(/<[^>]*>/g, "")));

/**
 * A place for the figure, and the script that draws it there: some front ends run it before the place is on the page.
 * @param figure traces, layout and configuration as JSON
 */
export function figureHtml(
  figure: string,
  { title, height, edition }: { title: string; height: number; edition: Edition },
): string {
  // "</script>" inside of a text would end the script.
  const json = figure.replaceAll("<", "\\u003c");
  // The same figure has the same place, so that a notebook that is run again stays the same text.
  const id = `ditlab-figure-${createHash("sha256").update(json).digest("hex").slice(0, 12)}`;
  return `${title && heading(title)}<div class="${id}" style="min-height:${height}px;width:100%">${SCRIPTLESS}</div><script>(async () => {${waiter(edition)}
  const boxes = () => [...document.getElementsByClassName("${id}")].filter((box) => !box.dataset.drawn);
  const say = (text) => { for (const box of boxes()) box.innerHTML = text; };
  say(${JSON.stringify(LOADING)});
  const late = setTimeout(() => say(${JSON.stringify(MISSING)}), ${PATIENCE});
  const plotly = await slot.plotly;
  clearTimeout(late);
  for (let tries = 0; tries < 100 && boxes().length === 0; tries++) await new Promise((r) => setTimeout(r, 50));
  for (const box of boxes()) {
    box.dataset.drawn = "yes";
    box.innerHTML = "";
    plotly.newPlot(box, ${json});
  }
})();</script>`;
}
