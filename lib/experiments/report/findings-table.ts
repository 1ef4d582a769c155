/** The paired comparison as a table with one small strip of dots per measure. */

import type { Finding } from "./findings.ts";
import { type Html, html } from "./html.ts";
import { formatDifference, formatValue, joinList } from "./text.ts";

const WIDTH = 220;
const HEIGHT = 30;

const PILLS = {
  better: "\u25b2 SRA better",
  worse: "\u25bc SRA worse",
  "not resolved": "\u25cb not resolved",
} as const;

/** Each seed's difference as words: `+1.2 (seed 0), -0.3 (seed 1)`. */
function differencesInWords(finding: Finding): string {
  return joinList(
    finding.pairs.map(
      (pair) => `${formatDifference(pair.difference, finding.measure.format)} (seed ${pair.seed})`,
    ),
  );
}

/** A dot per seed and a tick at the mean, around zero in the middle; to the right is better for SRA. */
export function strip(finding: Finding): Html {
  const { pairs, measure } = finding;
  if (pairs.length === 0) return html`<span class="quiet">no pairs</span>`;
  const largest = Math.max(...pairs.map((pair) => Math.abs(pair.difference)));
  const scale = largest === 0 ? 0 : ((measure.lowerIsBetter ? -1 : 1) * (WIDTH / 2 - 9)) / largest;
  const at = (difference: number) => (WIDTH / 2 + difference * scale).toFixed(1);
  const middle = HEIGHT / 2;
  const label = `${measure.label}, differences by seed: ${differencesInWords(finding)}. Right of the line is better for SRA.`;
  return html`<svg class="strip" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
<line class="zero" x1="${WIDTH / 2}" x2="${WIDTH / 2}" y1="2" y2="${HEIGHT - 2}"/>
<line class="span" x1="${at(finding.min)}" x2="${at(finding.max)}" y1="${middle}" y2="${middle}"/>
<line class="mean" x1="${at(finding.mean)}" x2="${at(finding.mean)}" y1="${middle - 10}" y2="${middle + 10}"/>
${pairs.map((pair) => html`<circle class="dot" cx="${at(pair.difference)}" cy="${middle}" r="5"/>`)}</svg>`;
}

function row(finding: Finding): Html {
  const { measure } = finding;
  const { format } = measure;
  const kind = finding.verdict === "not resolved" ? "open" : finding.verdict;
  const way = measure.lowerIsBetter ? "lower is better" : "higher is better";
  const range = `${formatDifference(finding.min, format)} to ${formatDifference(finding.max, format)}`;
  const seeds = finding.pairs.map(
    (pair) =>
      html`<span>${pair.seed}:\u00a0${formatDifference(pair.difference, format).replace("\u00a0pp", "")}</span> `,
  );
  return html`<tr role="row">
<th role="rowheader" scope="row" class="what">${measure.label}<small>${way}</small></th>
<td role="cell" data-head="Baseline \u2192 SRA">${formatValue(finding.meanBaseline, format)} \u2192 ${formatValue(finding.meanSra, format)}</td>
<td role="cell" class="each">${strip(finding)}<small class="seeds">${seeds}</small></td>
<td role="cell" data-head="Mean difference"><strong>${formatDifference(finding.mean, format)}</strong></td>
<td role="cell" data-head="Min to max">${finding.pairs.length === 0 ? "n/a" : range}</td>
<td role="cell" class="verdict"><span class="pill ${kind}">${PILLS[finding.verdict]}</span><small>${finding.reason}</small></td>
</tr>`;
}

/** The table of all findings. On a narrow screen each row becomes a block; explicit roles keep it a table. */
export function findingsTable(findings: readonly Finding[]): Html {
  const head = (text: string | Html, kind = "") =>
    html`<th role="columnheader" scope="col" class="${kind}">${text}</th>`;
  return html`<p class="note" id="findings-note">Differences are SRA minus baseline, paired by seed. In the strips a circle is one seed, the tall tick their mean, the vertical line zero; right is better for SRA, and each strip has its own scale. Below it stand the seeds with their differences.</p>
<table class="findings" role="table" aria-label="SRA minus baseline by measure" aria-describedby="findings-note">
<thead role="rowgroup"><tr role="row">${head("Measure", "what")}${head("Mean, baseline \u2192 SRA")}${head(html`By seed<span class="poles"><span>\u2190 worse</span><span>better \u2192</span></span>`, "each")}${head("Mean difference")}${head("Min to max")}${head("Verdict", "verdict")}</tr></thead>
<tbody role="rowgroup">${findings.map(row)}</tbody>
</table>`;
}
