/** The report's tables: metrics at the end, time, settings, machine. */

import type { ArmResult, Results, RunResult } from "../results.ts";
import { swatch } from "./arms.ts";
import { type Html, html } from "./html.ts";
import { finalStep, type Measure, mean, measuresOf, valueAt } from "./measures.ts";
import { capitalized, formatCount, formatFixed, formatSeconds, formatValue, words } from "./text.ts";

function armRows(results: Results, arm: ArmResult, place: number, measures: readonly Measure[]): Html {
  const at = (run: RunResult, measure: Measure): number => valueAt(run, measure, finalStep(results));
  const center = measures.map((measure) => mean(arm.runs.map((run) => at(run, measure))));
  return html`<tbody><tr class="group"><th scope="rowgroup" colspan="${measures.length + 1}"><span class="arm">${swatch(place)}${arm.label}</span></th></tr>
<tr class="strong"><th scope="row">mean</th>${center.map((value, i) => html`<td>${formatValue(value, measures[i].format)}</td>`)}</tr>${arm.runs.map(
    (run) =>
      html`<tr class="quiet"><th scope="row">seed ${run.seed}</th>${measures.map(
        (measure) => html`<td>${formatValue(at(run, measure), measure.format)}</td>`,
      )}</tr>`,
  )}</tbody>`;
}

/** Every measure of every run at the end, and of real images. */
export function finalTable(results: Results): Html {
  const measures = measuresOf(results);
  const real = { step: 0, metrics: results.realImages, probe: [] };
  const caption = `Values after ${formatCount(finalStep(results) ?? Number.NaN)} training steps`;
  const arrow = (m: Measure) =>
    html`<span aria-hidden="true">${m.lowerIsBetter ? "\u2193" : "\u2191"}</span>`;
  return html`<div class="card"><p class="note">${caption}. The row of real images is the best that samples could reach with as many images; a probe does not apply to it.</p>
<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table aria-label="${caption}">
<thead><tr><th scope="col">Run</th>${measures.map((m) => html`<th scope="col">${m.label}\u00a0${arrow(m)}</th>`)}</tr></thead>
${results.arms.map((arm, place) => armRows(results, arm, place, measures))}
<tbody><tr class="group"><th scope="rowgroup" colspan="${measures.length + 1}"><span class="arm">${swatch("real")}real images</span></th></tr>
<tr><th scope="row">held out</th>${measures.map(
    (m) => html`<td>${m.key.startsWith("probe") ? "\u2013" : formatValue(m.read(real), m.format)}</td>`,
  )}</tr></tbody></table></div></div>`;
}

/** Wall-clock time by phase with its share of the whole. */
export function timeTable(results: Results): Html {
  const total = results.seconds.total ?? Number.NaN;
  const phases = Object.entries(results.seconds).filter(([name]) => name !== "total");
  const share = (seconds: number) => (seconds >= 0 && total > 0 ? Math.min(100, (100 * seconds) / total) : 0);
  return html`<div class="card"><h3>Time by phase</h3><p class="note">Wall clock of the whole command</p>
<table class="plain"><thead><tr><th scope="col">Phase</th><th scope="col">Time</th><th scope="col">Share</th></tr></thead><tbody>${phases.map(
    ([name, seconds]) =>
      html`<tr><th scope="row">${words(name)}<span class="bar" style="width:${share(seconds).toFixed(1)}%"></span></th><td>${formatSeconds(seconds)}</td><td>${formatFixed(share(seconds), 1)}\u00a0%</td></tr>`,
  )}<tr class="strong rule"><th scope="row">total</th><td>${formatSeconds(total)}</td><td></td></tr></tbody></table></div>`;
}

function pairs(title: string, rows: readonly (readonly [string, string])[]): Html {
  return html`<div class="card"><h3>${title}</h3><table class="plain"><tbody>${rows.map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
  )}</tbody></table></div>`;
}

/** A setting as text; long integers get separators, everything else stays as it was written. */
function settingText(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && Number.isInteger(value) && value >= 10_000
    ? formatCount(value)
    : String(value);
}

/** Settings by group. */
export function settingsTables(results: Results): Html[] {
  return Object.entries(results.settings).map(([group, values]) =>
    pairs(
      capitalized(words(group)),
      Object.entries(values).map(([name, value]) => [words(name), settingText(value)]),
    ),
  );
}

/** The feature network and the numbers of images that the metrics and probes used. */
export function measurementTable(results: Results): Html {
  const { featureNetwork: network, sampleCounts: counts } = results;
  return pairs("Measurement", [
    ["feature network", network.name],
    ["its test accuracy", formatValue(network.accuracy, { unit: "percent", digits: 2 })],
    ["feature size", formatCount(network.featureSize)],
    ["parameters", formatCount(network.parameters)],
    ["generated images per evaluation", formatCount(counts.generated)],
    ["reference images", formatCount(counts.reference)],
    ["probe: training images", formatCount(counts.probeTrain)],
    ["probe: test images", formatCount(counts.probeTest)],
  ]);
}

/** The computer and the versions. */
export function machineTable(results: Results): Html {
  const { machine } = results;
  return pairs("Machine", [
    ...(machine.gpu === undefined ? [] : ([["ran on", machine.gpu]] as [string, string][])),
    ["processor", machine.cpu],
    ["cores", formatCount(machine.cores)],
    ["memory", `${formatFixed(machine.memoryGiB, 1)}\u00a0GiB`],
    ["system", machine.os],
    ["Node", machine.node],
    ["onnxruntime", machine.onnxruntime],
    ["ditlab", results.version],
  ]);
}
