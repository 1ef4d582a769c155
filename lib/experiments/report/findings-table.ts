/** What is resolved between the arms: a table a pair with one small strip per measure, before them an overview of many. */

import type { ArmResult, Results } from "../results.ts";
import { swatch } from "./arms.ts";
import { type Finding, type PairComparison, tallyOf, unplanned } from "./findings.ts";
import { type Html, html } from "./html.ts";
import { formatLevel } from "./paired.ts";
import { pairName } from "./sentence.ts";
import {
  formatCount,
  formatDifference,
  formatFixed,
  formatInterval,
  formatValue,
  joinList,
  plural,
} from "./text.ts";

const WIDTH = 220;
const HEIGHT = 30;

const MARKS = { better: "\u25b2", worse: "\u25bc", "not resolved": "\u25cb" } as const;

/** Each seed's difference as words: `+1.2 (seed 0), -0.3 (seed 1)`. */
function differencesInWords({ seeds, measure }: Finding): string {
  return joinList(
    seeds.map(({ seed, difference }) => `${formatDifference(difference, measure.format)} (seed ${seed})`),
  );
}

/**
 * Around zero in the middle, to the right better: the interval that decides as a line, a dot per seed, a tick at the
 * mean.
 */
export function strip(finding: Finding, { level, arm }: Pick<PairComparison, "level" | "arm">): Html {
  const { seeds, measure, interval, mean } = finding;
  if (seeds.length === 0) return html`<span class="quiet">no pairs</span>`;
  const hasInterval = interval.every(Number.isFinite);
  const shown = [...seeds.map(({ difference }) => difference), ...(hasInterval ? interval : [])];
  const largest = Math.max(...shown.map(Math.abs));
  const scale = largest === 0 ? 0 : ((measure.lowerIsBetter ? -1 : 1) * (WIDTH / 2 - 9)) / largest;
  const at = (difference: number) => (WIDTH / 2 + difference * scale).toFixed(1);
  const middle = HEIGHT / 2;
  const between = hasInterval
    ? ` ${formatLevel(level)} interval: ${formatInterval(interval, measure.format)}.`
    : "";
  const label = `${measure.label}, differences by seed: ${differencesInWords(finding)}.${between} Right of the line is better for ${arm.phrase}.`;
  return html`<svg class="strip" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
<line class="zero" x1="${WIDTH / 2}" x2="${WIDTH / 2}" y1="2" y2="${HEIGHT - 2}"/>
${
  hasInterval
    ? html`<line class="span" x1="${at(interval[0])}" x2="${at(interval[1])}" y1="${middle}" y2="${middle}"/>`
    : undefined
}<line class="mean" x1="${at(mean)}" x2="${at(mean)}" y1="${middle - 10}" y2="${middle + 10}"/>
${seeds.map(({ difference }) => html`<circle class="dot" cx="${at(difference)}" cy="${middle}" r="5"/>`)}</svg>`;
}

const pillKind = ({ verdict }: Finding): string => (verdict === "not resolved" ? "open" : verdict);

function row(finding: Finding, comparison: PairComparison): Html {
  const { measure, verdict } = finding;
  const { format } = measure;
  const { arm, against, level } = comparison;
  const way = `${measure.lowerIsBetter ? "lower" : "higher"} is better${measure.planned ? "; chosen beforehand" : ""}`;
  const seeds = finding.seeds.map(
    ({ seed, difference }) =>
      html`<span>${seed}:\u00a0${formatDifference(difference, format).replace("\u00a0pp", "")}</span> `,
  );
  const judged = verdict === "not resolved" ? "not\u00a0resolved" : `${arm.phrase} ${verdict}`;
  return html`<tr role="row">
<th role="rowheader" scope="row" class="what">${measure.label}<small>${way}</small></th>
<td role="cell" data-head="${against.phrase} \u2192 ${arm.phrase}">${formatValue(finding.againstMean, format)} \u2192 ${formatValue(finding.valueMean, format)}</td>
<td role="cell" class="each">${strip(finding, comparison)}<small class="seeds">${seeds}</small></td>
<td role="cell" data-head="Mean difference"><strong>${formatDifference(finding.mean, format)}</strong></td>
<td role="cell" data-head="${formatLevel(level)} interval">${formatInterval(finding.interval, format)}</td>
<td role="cell" class="verdict"><span class="pill ${pillKind(finding)}">${MARKS[verdict]}\u00a0${judged}</span><small>${finding.reason}</small></td>
</tr>`;
}

/** The findings of one pair. On a narrow screen each row becomes a block; explicit roles keep it a table. */
export function pairTable(comparison: PairComparison): Html {
  const { arm, against, level, findings } = comparison;
  const head = (text: string | Html, kind = "") =>
    html`<th role="columnheader" scope="col" class="${kind}">${text}</th>`;
  return html`<table class="findings" role="table" aria-label="${arm.phrase} minus ${against.phrase} by measure" aria-describedby="findings-note">
<thead role="rowgroup"><tr role="row">${head("Measure", "what")}${head(`Mean, ${against.phrase} \u2192 ${arm.phrase}`)}${head(html`By seed<span class="poles"><span>\u2190 worse</span><span>better \u2192</span></span>`, "each")}${head("Mean difference")}${head(`${formatLevel(level)} interval`)}${head("Verdict", "verdict")}</tr></thead>
<tbody role="rowgroup">${findings.map((finding) => row(finding, comparison))}</tbody>
</table>`;
}

/** One line a pair, one column a measure: what is better, what is worse, and how much is neither. */
function overview(comparisons: readonly PairComparison[]): Html {
  const caption = "What is resolved between every two arms";
  const cell = (finding: Finding): Html =>
    finding.verdict === "not resolved"
      ? html`<td><span class="quiet" role="img" aria-label="not resolved">${MARKS["not resolved"]}</span></td>`
      : html`<td><span class="pill ${finding.verdict}"><span role="img" aria-label="${finding.verdict}">${MARKS[finding.verdict]}</span> ${formatDifference(finding.mean, finding.measure.format)}</span></td>`;
  return html`<div class="scroll overview" tabindex="0" role="region" aria-label="${caption}"><table>
<caption>${caption}: ${MARKS.better} better, ${MARKS.worse} worse, ${MARKS["not resolved"]} not resolved</caption>
<thead><tr><th scope="col">Pair</th>${comparisons[0].findings.map(({ measure }) => html`<th scope="col">${measure.label}</th>`)}</tr></thead>
<tbody>${comparisons.map(
    (comparison) =>
      html`<tr><th scope="row">${pairName(comparison)}</th>${comparison.findings.map(cell)}</tr>`,
  )}</tbody></table></div>`;
}

/** How much of what the table shows as resolved is to be expected of so many comparisons anyway. */
function chanceNote(comparisons: readonly PairComparison[]): string {
  const { judged, resolved, byChance } = tallyOf(comparisons);
  if (judged === 0) return "";
  return `if the arms did not differ at all, chance alone would still resolve about ${formatFixed(byChance, 2)} of the ${formatCount(judged)}. Here ${resolved === 1 ? "1 is" : `${formatCount(resolved)} are`} resolved`;
}

/** How many comparisons there are, and what that does to the intervals. */
function countNote(comparisons: readonly PairComparison[]): string {
  const pairs = comparisons.length;
  const measures = comparisons[0].findings.length;
  const { level } = comparisons[0];
  if (pairs === 1) {
    const others = unplanned(comparisons[0]);
    const chosen = measures - others.findings.length;
    const which =
      chosen === 0
        ? ""
        : `Apart from ${chosen === 1 ? "the one" : `the ${formatCount(chosen)}`} chosen beforehand, `;
    const chance = chanceNote([others]);
    const first = `${plural(measures, "measure")} are compared, each by an interval of ${formatLevel(level)}, not corrected for how many they are`;
    if (chance === "") return `${first}.`;
    return which === "" ? `${first}: ${chance}.` : `${first}. ${which}${chance}.`;
  }
  const note = chanceNote(comparisons);
  const chance = note === "" ? "" : `: ${note}`;
  return (
    `${plural(pairs, "pair")} of arms by ${plural(measures, "measure")} are ${plural(pairs * measures, "comparison")}. ` +
    `So that many pairs are not over-read, each interval is of ${formatLevel(level)} (Bonferroni: the 5\u00a0% shared out among the ${formatCount(pairs)} pairs); ` +
    `that there are several measures, which depend on each other, is not corrected for${chance}.`
  );
}

const legend = (arms: readonly ArmResult[], shown: readonly ArmResult[]): Html =>
  html`<ul class="legend">${shown.map((arm) => html`<li>${swatch(arms.indexOf(arm))}${arm.label}</li>`)}</ul>`;

/** All comparisons. Of several pairs an overview comes first, and those without the first arm are folded. */
export function findingsSection({ arms }: Results, comparisons: readonly PairComparison[]): Html {
  const note = html`<p class="note" id="findings-note">Differences are paired by seed: the arm named first minus the other. In the strips a circle is one seed, the tall tick their mean, the horizontal line the confidence interval of the mean that decides, the vertical line zero; right is better for the arm named first, and each strip has its own scale. Below it stand the seeds with their differences.</p>`;
  const counts = html`<p class="note">${countNote(comparisons)}</p>`;
  if (comparisons.length === 1)
    return html`<div class="card">${counts}${note}${pairTable(comparisons[0])}</div>`;
  const pair = (comparison: PairComparison): Html => {
    const body = html`${legend(arms, [comparison.arm, comparison.against])}${pairTable(comparison)}`;
    return comparison.against === arms[0]
      ? html`<h3 class="versus">${pairName(comparison)}</h3>${body}`
      : html`<details class="versus"><summary>${pairName(comparison)}</summary>${body}</details>`;
  };
  return html`<div class="card">${counts}${overview(comparisons)}${note}${comparisons.map(pair)}</div>`;
}
