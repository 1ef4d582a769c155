/** What a reader may and may not conclude. */

import type { Results } from "../results.ts";
import { type PairComparison, tallyOf, unplanned } from "./findings.ts";
import { type Html, html } from "./html.ts";
import { formatLevel, sharedLevel } from "./paired.ts";
import { usesInception } from "./sentence.ts";
import { formatCount, formatFixed, formatValue, plural } from "./text.ts";

/** What chance does to the verdicts. */
function chanceOf(results: Results, comparisons: readonly PairComparison[]): string {
  const seeds = results.seeds.length;
  const pairs = comparisons.length;
  if (pairs === 0) return "One arm is measured, so that nothing is compared.";
  if (seeds < 2)
    return "One seed cannot show how much a difference varies from run to run, so nothing counts as resolved.";
  const open = pairs === 1 ? comparisons.map(unplanned) : comparisons;
  const { judged, byChance } = tallyOf(open);
  if (judged === 0) return "No measure has a value of every seed in two arms, so nothing counts as resolved.";
  const count = open[0].findings.length;
  const others = count < comparisons[0].findings.length;
  const measures = plural(count, others ? "other measure" : "measure");
  const level = formatLevel(sharedLevel(pairs));
  const often =
    pairs === 1
      ? `A ${level} interval leaves out the truth once in twenty times, and ${measures}, which depend on each other, are compared here${others ? " beside what was chosen beforehand" : ""}`
      : `By each measure ${plural(pairs, "pair")} of arms are compared. Their intervals are of ${level}, so that together they leave out a truth at most once in twenty times (Bonferroni); but there are ${measures}, which depend on each other`;
  return `${often}, so that about ${formatFixed(byChance, 2)} would be resolved between arms that do not differ: one resolved measure ${others ? "of these" : "by itself"} is a hint. With ${plural(seeds, "seed")} only large and steady effects can be resolved; what is not resolved is not shown to be absent.`;
}

/** The section "What these numbers do and do not show". */
export function limitsSection(results: Results, comparisons: readonly PairComparison[]): Html {
  const { featureNetwork: network, sampleCounts: counts } = results;
  const accuracy = formatValue(network.accuracy, { unit: "percent", digits: 1 });
  const level = formatLevel(sharedLevel(comparisons.length));
  return html`<div class="limits">
<div class="card"><h3>They show</h3><ul>
<li>How the arms of this experiment differ on the same data, judged in the same way, and for each seed with the same noise for the samples.</li>
<li>Each seed\u2019s own difference. A difference counts as resolved only if every seed has a value, the seeds do not all say the same to the last digit, and the ${level} confidence interval of the mean paired difference (Student\u2019s t) does not hold 0.</li>
<li>What a training step of each arm cost on the machine named below, where the interval of the ratio does not hold 1.</li>
</ul></div>
<div class="card"><h3>They do not show</h3><ul>
<li><strong>Significance.</strong> ${chanceOf(results, comparisons)}</li>
<li><strong>Published scales.</strong> The data, the model, the number of steps and the number of images are much smaller here.</li>
<li><strong>Values to set beside published ones.</strong> ${
    usesInception(results)
      ? "The values are on other data than published tables."
      : `Distances are measured in the features of ${network.name} (${accuracy} test accuracy on ${results.dataset}), not of Inception, and on other data.`
  }</li>
<li><strong>Distances between whole distributions.</strong> Each metric uses ${formatCount(counts.generated)} generated and ${formatCount(counts.reference)} reference images, and the Frechet distance of a finite sample is too large on average. The row of real images shows how far it stays from zero even for perfect samples.</li>
<li><strong>An unbiased best block.</strong> The block is chosen on the same ${formatCount(counts.probeTest)} test images, in every arm. The mean over blocks has no such choice.</li>
</ul></div></div>`;
}
