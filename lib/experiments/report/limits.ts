/** What a reader may and may not conclude. */

import type { Results } from "../results.ts";
import { type Finding, usesInception } from "./findings.ts";
import { type Html, html } from "./html.ts";
import { formatCount, formatValue, plural } from "./text.ts";

/** The section "What these numbers do and do not show". */
export function limitsSection(results: Results, findings: readonly Finding[]): Html {
  const { featureNetwork: network, sampleCounts: counts } = results;
  const seeds = results.seeds.length;
  const accuracy = formatValue(network.accuracy, { unit: "percent", digits: 1 });
  const chance =
    seeds > 1
      ? `A 95\u00a0% interval leaves out the truth once in twenty times, and ${plural(findings.length, "measure")}, which depend on each other, are compared here: one resolved measure by itself is a hint. With ${plural(seeds, "seed")} only large and steady effects can be resolved; what is not resolved is not shown to be absent.`
      : "One seed cannot show how much a difference varies from run to run, so nothing counts as resolved.";
  return html`<div class="limits">
<div class="card"><h3>They show</h3><ul>
<li>How the two arms of this experiment differ when everything but the alignment is kept the same: the data, the model size, the number of steps, and for each seed the same noise for the samples.</li>
<li>Each seed\u2019s own difference. A difference counts as resolved only if every seed has a value and the 95\u00a0% confidence interval of the mean paired difference (Student\u2019s t) does not hold 0.</li>
<li>What a training step costs with and without SRA on the machine named below.</li>
</ul></div>
<div class="card"><h3>They do not show</h3><ul>
<li><strong>Significance.</strong> ${chance}</li>
<li><strong>The paper\u2019s scale.</strong> The data, the model, the number of steps and the number of images are much smaller here.</li>
<li><strong>Values to set beside the paper\u2019s.</strong> ${
    usesInception(results)
      ? "The values are on other data than the paper\u2019s tables."
      : `Distances are measured in the features of ${network.name} (${accuracy} test accuracy on ${results.dataset}), not of Inception, and on other data.`
  }</li>
<li><strong>Distances between whole distributions.</strong> Each metric uses ${formatCount(counts.generated)} generated and ${formatCount(counts.reference)} reference images, and the Frechet distance of a finite sample is too large on average. The row of real images shows how far it stays from zero even for perfect samples.</li>
<li><strong>An unbiased best block.</strong> The block is chosen on the same ${formatCount(counts.probeTest)} test images, in both arms. The mean over blocks has no such choice.</li>
</ul></div></div>`;
}
