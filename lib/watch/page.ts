/** The page of `ditlab watch` and its script. */
import { ARM_COLORS } from "../experiments/report/arms.ts";
import { DRAWING } from "../experiments/report/client.ts";
import { STYLE_SHEET } from "../experiments/report/style.ts";

const STYLE = `
.runs td { white-space: nowrap; }
.runs .name { text-align: left; }
.runs input { margin: 0 0.6rem 0 0; vertical-align: -1px; accent-color: var(--link); }
.runs .key { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 50%; margin-right: 0.45rem; vertical-align: -1px; }
.progress { display: block; width: 9rem; height: 5px; border-radius: 3px; background: var(--tint); margin-top: 0.3rem; }
.progress span { display: block; height: 100%; border-radius: 3px; background: var(--link); }
.queues { list-style: none; padding: 0; }
.queues:empty { display: none; }
.queues .progress { width: 100%; }
.empty { color: var(--muted); }
.gallery { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
#lost { color: var(--bad); min-height: 1.6em; }
`;

export const WATCH_PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>ditlab: runs</title>
<link rel="icon" href="data:,">
<style>${STYLE_SHEET}${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the runs</a>
<div class="page">
<header><p class="kicker">ditlab watch</p><h1>Runs</h1><p id="lost" role="status"></p></header>
<main id="main">
<ul class="queues" id="queues" aria-label="Jobs on a queue"></ul>
<div class="card scroll" tabindex="0" role="region" aria-label="Runs"><table class="runs">
<thead><tr><th scope="col">Run</th><th scope="col">Method</th><th scope="col">Step</th><th scope="col">Time a step</th><th scope="col">Left</th><th scope="col">State</th></tr></thead>
<tbody id="rows"></tbody></table><p class="empty" id="empty">Looking for runs ...</p></div>
<section aria-labelledby="curves-heading"><h2 id="curves-heading">Curves</h2><div class="grid" id="curves"></div></section>
<section aria-labelledby="features-heading"><h2 id="features-heading">Features</h2><div class="grid" id="features"></div></section>
<section aria-labelledby="samples-heading"><h2 id="samples-heading">Newest samples</h2><div class="gallery" id="samples"></div></section>
</main>
</div>
<script src="/plotly.js"></script>
<script src="/watch.js"></script>
</body>
</html>
`;

/** Asks every two seconds, and changes what has changed: a box that is ticked, or a page that is scrolled, stays so. */
export const WATCH_SCRIPT = `"use strict";
(() => {
  const EVERY = 2000, SHOWN = 6, COLORS = ${ARM_COLORS.length};
  ${DRAWING}
  const root = document.documentElement;
  const element = (id) => document.getElementById(id);
  const made = (tag, attributes = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  };
  /** Runs that are drawn, by id; who never chose sees the first ones. */
  const chosen = new Map();
  /** Places keep their colour for as long as the page is open. */
  const places = new Map();
  const color = (id) => "arm-" + ((places.get(id) % COLORS) + 1);
  const name = (id) => id || "(this folder)";
  const duration = (s) => s === undefined ? "" : s < 1 ? Math.round(s * 1000) + " ms" : s < 90 ? s.toFixed(s < 10 ? 1 : 0) + " s" : s < 5400 ? Math.round(s / 60) + " min" : (s / 3600).toFixed(1) + " h";
  let last = "[]";

  const row = (run) => {
    const box = made("input", { type: "checkbox", checked: chosen.get(run.id), ariaLabel: "draw " + name(run.id) });
    box.addEventListener("change", () => { chosen.set(run.id, box.checked); draw(JSON.parse(last)); });
    const key = made("span", { className: "key" });
    key.style.background = "var(--" + color(run.id) + ")";
    const bar = made("span");
    bar.style.width = Math.min(100, (100 * run.step) / run.steps) + "%";
    const cells = [
      run.methods.join(", ") || "none",
      made("span", {}, run.step.toLocaleString("en") + " of " + run.steps.toLocaleString("en"), made("span", { className: "progress" }, bar)),
      duration(run.stepSeconds),
      run.state === "done" ? "" : duration(run.secondsLeft),
      run.state,
    ];
    const node = made("tr", {}, made("th", { scope: "row", className: "name" }, box, key, name(run.id)), ...cells.map((cell) => made("td", {}, cell)));
    node.dataset.run = run.id;
    node.dataset.state = run.state;
    return node;
  };

  const table = (runs) => {
    const focused = document.activeElement?.closest?.("tr")?.dataset.run;
    element("rows").replaceChildren(...runs.map(row));
    element("empty").textContent = runs.length === 0 ? "There is no run here yet." : "";
    if (focused !== undefined) [...element("rows").children].find((tr) => tr.dataset.run === focused)?.querySelector("input").focus();
  };

  const axis = (title) => ({ title: { text: title }, gridcolor: "@grid", zeroline: false, fixedrange: true });
  const line = (run, x, y, more = {}) => ({
    name: name(run.id).replaceAll("<", "&lt;"), mode: "lines", x, y, ...more, line: { color: "@" + color(run.id), width: 1.8, ...more.line },
  });

  /** Draws what there is to draw, each in the place that it has had. */
  const plots = (parent, wanted) => {
    const style = getComputedStyle(root);
    for (const plot of [...parent.children]) if (!wanted.some(({ title }) => title === plot.dataset.curve)) { Plotly.purge(plot.querySelector(".plot")); plot.remove(); }
    // All of them first: how wide one is depends on how many there are.
    const figures = wanted.map(({ title }) => {
      const figure = [...parent.children].find((plot) => plot.dataset.curve === title)
        ?? made("figure", { className: "card" }, made("h3", { textContent: title }), made("div", { className: "plot" }));
      figure.dataset.curve = title;
      return figure;
    });
    if (figures.some((figure, i) => parent.children[i] !== figure)) parent.replaceChildren(...figures);
    for (const [i, { data, over, scale }] of wanted.entries()) {
      const layout = { ...base, hovermode: "x", xaxis: axis(over), yaxis: { type: scale, gridcolor: "@grid", zeroline: false, automargin: true, fixedrange: true } };
      Plotly.react(figures[i].querySelector(".plot"), withColors(data, style), withColors(layout, style), config);
    }
  };

  const curves = (runs) => {
    const shown = runs.filter((run) => chosen.get(run.id) && run.curves.step.length > 0);
    const names = [...new Set([...shown.flatMap((run) => run.losses), ...shown.flatMap((run) => Object.keys(run.curves.values))])];
    plots(element("curves"), names.map((title) => {
      const data = shown.filter((run) => run.curves.values[title]).map((run) => line(run, run.curves.step, run.curves.values[title]));
      const positive = data.every(({ y }) => y.every((value) => value === null || value > 0));
      return { title, data, over: "step", scale: positive ? "log" : "linear" };
    }));
  };

  /** What the monitors have seen last, block by block, and what part of the losses the methods' are. */
  const features = (runs) => {
    const shown = runs.filter((run) => chosen.get(run.id) && run.monitor);
    const blocks = (numbers) => numbers.map((_, i) => i + 1);
    const byBlock = (read) => shown.filter((run) => read(run.monitor.newest)).map((run) => line(run, blocks(read(run.monitor.newest)), read(run.monitor.newest)));
    const average = shown.map((run) => line(run, blocks(run.monitor.newest.averageNorms), run.monitor.newest.averageNorms, { line: { dash: "dot" } }));
    const all = (read) => [...new Set(shown.flatMap((run) => Object.keys(read(run.monitor))))];
    plots(element("features"), [
      ...(shown.length > 0 ? [{ title: "length of a token, by block (dotted: of the moving average)", data: [...byBlock((seen) => seen.studentNorms), ...average], over: "block", scale: "log" }] : []),
      ...all((monitor) => monitor.newest.similarity).map((method) => ({ title: "similarity to the targets of " + method + ", by block", data: byBlock((seen) => seen.similarity[method]), over: "block", scale: "linear" })),
      ...all((monitor) => monitor.shares).map((method) => ({ title: "share of " + method + " in the loss", data: shown.filter((run) => run.monitor.shares[method]).map((run) => line(run, run.monitor.step, run.monitor.shares[method])), over: "step", scale: "linear" })),
    ]);
    element("features-heading").hidden = shown.length === 0;
  };

  const samples = (runs) => {
    const shown = runs.filter((run) => chosen.get(run.id) && run.samples);
    const parent = element("samples");
    for (const figure of [...parent.children]) if (!shown.some((run) => run.id === figure.dataset.run)) figure.remove();
    for (const run of shown) {
      let figure = [...parent.children].find((one) => one.dataset.run === run.id);
      if (!figure) {
        figure = made("figure", {}, made("img", { alt: "Newest samples of " + name(run.id) }), made("figcaption"),
          made("details", {}, made("summary", {}, "Captions, row by row"), made("ol")));
        figure.dataset.run = run.id;
        parent.append(figure);
      }
      const source = "/samples?" + new URLSearchParams({ run: run.id, at: run.samples.changed });
      const image = figure.querySelector("img");
      if (image.getAttribute("src") !== source) image.src = source;
      figure.querySelector("figcaption").textContent = name(run.id) + ", " + run.samples.file;
      const told = run.samples.captions ?? [];
      figure.querySelector("details").hidden = told.length === 0;
      const list = figure.querySelector("ol");
      if (list.children.length !== told.length) list.replaceChildren(...told.map((text) => made("li", {}, text)));
    }
    element("samples-heading").hidden = shown.length === 0;
  };

  /** How far the jobs of each folder are that many machines fill. */
  const queues = (all) => element("queues").replaceChildren(...all.map(({ id, changed, state }) => {
    const bar = made("span");
    bar.style.width = (state.total > 0 ? (100 * state.work) / state.total : 100) + "%";
    const failed = state.failed > 0 ? ", " + state.failed + " failed" : "";
    const text = name(id) + ": " + state.done + " of " + state.jobs + " jobs done, " + state.begun + " under way" + failed;
    return made("li", { title: "since " + new Date(changed).toLocaleString() }, text, made("span", { className: "progress" }, bar));
  }));

  const draw = (runs) => { table(runs); curves(runs); features(runs); samples(runs); };
  const look = async () => {
    try {
      const response = await fetch("/runs.json");
      if (!response.ok) throw new Error(await response.text());
      const text = await response.text();
      queues(await (await fetch("/queues.json")).json());
      element("lost").textContent = "";
      if (text !== last) {
        last = text;
        const runs = JSON.parse(text);
        for (const run of runs) {
          if (!places.has(run.id)) places.set(run.id, places.size);
          if (!chosen.has(run.id)) chosen.set(run.id, chosen.size < SHOWN);
        }
        draw(runs);
      } else if (!root.classList.contains("ready")) draw(JSON.parse(last));
      root.classList.add("ready");
    } catch (error) {
      element("lost").textContent = "ditlab watch does not answer: start it again, and this page goes on.";
    }
    setTimeout(look, EVERY);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(JSON.parse(last)));
  look();
})();
`;
