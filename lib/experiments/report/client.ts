/** The page's script and the plotly library inside it. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Html, raw } from "./html.ts";

let bundle: Html | undefined;

/**
 * plotly as gzip in base64 (1.5 MB become 0.7 MB; base64 cannot hold anything that ends a script element), after a
 * comment with its licence. The licence comments of the parts that it bundles stay inside the source. Read from the
 * npm package once.
 */
export function plotlyBundle(): Html {
  if (bundle === undefined) {
    const path = createRequire(import.meta.url).resolve("plotly.js-cartesian-dist-min");
    const source = readFileSync(path);
    const banner = source.toString("utf8", 0, 400).match(/^\/\*[\s\S]*?\*\//)?.[0] ?? "plotly.js";
    const license = readFileSync(join(dirname(path), "LICENSE"), "utf8");
    const comment = `${banner.replace(/^\/\*+|\*+\/$|^\* ?/gm, "").trim()}\n\n${license.trim()}`;
    const data = gzipSync(source, { level: 9 }).toString("base64");
    bundle = raw(
      `<!--\n${comment.replaceAll(/--+/g, "-")}\n-->\n` +
        `<script type="application/gzip" id="plotly-source">${data}</script>`,
    );
  }
  return bundle;
}

/** What pages draw with: colours named `@x` become the CSS variable `--x` of the theme, and plots share their looks. */
export const DRAWING = `const withColors = (value, style) => {
    if (typeof value === "string" && value.startsWith("@"))
      return style.getPropertyValue("--" + value.slice(1)).trim();
    if (Array.isArray(value)) return value.map((entry) => withColors(entry, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withColors(entry, style)]));
  };
  const base = {
    autosize: true,
    showlegend: false,
    dragmode: false,
    hovermode: "x unified",
    hoverdistance: -1,
    margin: { l: 8, r: 22, t: 10, b: 44 },
    paper_bgcolor: "@surface",
    plot_bgcolor: "@surface",
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 13, color: "@muted" },
    hoverlabel: { bgcolor: "@surface", bordercolor: "@axis", font: { color: "@ink", size: 13 } },
  };
  const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };`;

/**
 * Draws the figures. Colours named `@x` are the CSS variable `--x` of the current theme, so a change of theme or the
 * start of printing draws again. Without `DecompressionStream` (browsers before 2023) the tables remain.
 */
export const CLIENT_SCRIPT = `
"use strict";
(() => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const loadPlotly = async () => {
    const base64 = document.getElementById("plotly-source").textContent;
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    script.remove();
  };
  ${DRAWING}
  const draw = () => {
    const style = getComputedStyle(root);
    for (const { id, data, layout } of figures) {
      const element = document.getElementById(id);
      if (!element.classList.contains("drawn")) element.replaceChildren();
      element.classList.add("drawn");
      Plotly.react(element, withColors(data, style), withColors({ ...base, ...layout }, style), config);
    }
  };
  const print = (on) => {
    root.classList.toggle("printing", on);
    draw();
    for (const { id } of figures) Plotly.Plots.resize(document.getElementById(id));
  };
  const start = async () => {
    await loadPlotly();
    draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
    root.classList.add("ready");
  };
  start().catch((error) => {
    root.classList.add("no-plots");
    console.warn("The plots could not be drawn; their numbers are in the tables.", error);
  });
})();
`;
