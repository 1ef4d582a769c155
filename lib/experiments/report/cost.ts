/** What a training step of one arm costs in steps of another, as far as the runs tell. */

import type { Results } from "../results.ts";
import { swatch } from "./arms.ts";
import { type Html, html } from "./html.ts";
import { mean } from "./measures.ts";
import { formatLevel, judge, type Pair, pairsOf, sharedLevel } from "./paired.ts";
import { capitalized, formatFixed, formatSeconds, joinList } from "./text.ts";

/** The step times of two arms as ratios, by seed. */
export interface CostRatio extends Pair {
  ratios: number[];
  /** Geometric mean of the ratios. */
  ratio: number;
  level: number;
  interval: [low: number, high: number];
  isResolved: boolean;
  reason: string;
}

/**
 * Compares the step times of two arms. Logarithms of ratios are judged as differences are, because a machine that other
 * work disturbs makes a step longer by a factor, and half as long is as far from equal as twice as long.
 */
export function compareCost(seeds: readonly number[], pair: Pair, level: number): CostRatio {
  const secondsOf = (arm: Pair["arm"], seed: number): number =>
    arm.runs.find((run) => run.seed === seed)?.stepSeconds ?? Number.NaN;
  const ratios = seeds
    .map((seed) => secondsOf(pair.arm, seed) / secondsOf(pair.against, seed))
    .filter((ratio) => Number.isFinite(ratio) && ratio > 0);
  const logarithms = ratios.map(Math.log);
  const { interval, side, reason } = judge(logarithms, seeds.length - ratios.length, level, "1");
  return {
    ...pair,
    ratios,
    ratio: Math.exp(mean(logarithms)),
    level,
    interval: [Math.exp(interval[0]), Math.exp(interval[1])],
    isResolved: side !== "not resolved",
    reason,
  };
}

/** Every two arms. */
export function costsOf({ arms, seeds }: Results): CostRatio[] {
  const pairs = pairsOf(arms);
  return pairs.map((pair) => compareCost(seeds, pair, sharedLevel(pairs.length)));
}

/** One pair in a sentence. */
export function costInWords(cost: CostRatio): string {
  const { arm, against, ratios, ratio, level, interval, isResolved, reason } = cost;
  const fixed = (value: number) => formatFixed(value, 2);
  if (ratios.length === 0) return `The step times of ${arm.phrase} and ${against.phrase} cannot be compared.`;
  const bySeed = `${joinList(ratios.map(fixed))} by seed`;
  const between = Number.isFinite(interval[0])
    ? `; ${formatLevel(level)} interval ${interval.map(fixed).join(" to ")}`
    : "";
  const verdict = isResolved ? "" : ` Not resolved: ${reason}.`;
  return `${capitalized(arm.phrase)} took ${fixed(ratio)} times as long a step as ${against.phrase} (${bySeed}${between}).${verdict}`;
}

/** Training time by run, and how the arms' step times compare. */
export function costTable(results: Results): Html {
  const costs = costsOf(results);
  const caption = "Training time by run";
  const note =
    costs.length === 0
      ? undefined
      : html`<p class="note">Of the runs\u2019 median steps, the geometric mean over seeds, with its interval by Student\u2019s t on logarithms.</p>
<ul class="costs">${costs.map((cost) => html`<li>${costInWords(cost)}</li>`)}</ul>`;
  return html`<div class="card"><h3>${caption}</h3>${note}
<table class="plain"><thead><tr><th scope="col">Run</th><th scope="col">One step</th><th scope="col">All steps</th></tr></thead>
<tbody>${results.arms.map((arm, place) =>
    arm.runs.map(
      (run) =>
        html`<tr><th scope="row"><span class="arm">${swatch(place)}</span>${arm.label}<small>seed ${run.seed}</small></th><td>${formatSeconds(run.stepSeconds)}</td><td>${formatSeconds(run.trainSeconds)}</td></tr>`,
    ),
  )}</tbody></table></div>`;
}
