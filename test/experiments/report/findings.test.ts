import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  compare,
  confidenceInterval,
  type Finding,
  finalStep,
  findingsOf,
  type Measure,
  probeBest,
  probeMean,
  summarize,
} from "../../../lib/experiments/report/findings.ts";
import {
  binned,
  binSize,
  logTicks,
  spaced,
  summarizeSeries,
} from "../../../lib/experiments/report/series.ts";
import {
  digitsFor,
  formatDifference,
  formatFixed,
  formatSeconds,
  formatValue,
  joinList,
  words,
} from "../../../lib/experiments/report/text.ts";
import type { Results } from "../../../lib/experiments/results.ts";
import { syntheticResults } from "./synthetic.ts";

const findings = suite("report findings");

const LOWER: Measure = {
  key: "frechet",
  label: "Frechet distance",
  phrase: "Frechet distance",
  lowerIsBetter: true,
  format: { unit: "plain", digits: 2 },
  read: (evaluation) => evaluation.metrics.frechet,
};

/** Results where the last Frechet distance of the baseline is 10 and that of SRA 10 plus the seed's difference. */
function withDifferences(differences: number[]): Results {
  const results = syntheticResults(differences.map((_, i) => i));
  for (const { arm, runs } of results.arms)
    for (const run of runs)
      run.evaluations.at(-1)!.metrics.frechet = arm === "sra" ? 10 + differences[run.seed] : 10;
  return results;
}

function compared(...differences: number[]): Finding {
  const results = withDifferences(differences);
  return compare(results, LOWER, finalStep(results));
}

findings("pairs by seed, whatever the order of the runs", () => {
  const results = withDifferences([-2, -3, -4]);
  results.arms[1].runs.reverse();
  const finding = compare(results, LOWER, 3000);
  assert.equal(
    finding.pairs.map((pair) => [pair.seed, pair.difference]),
    [
      [0, -2],
      [1, -3],
      [2, -4],
    ],
  );
  assert.equal([finding.mean, finding.min, finding.max, finding.spread], [-3, -4, -2, 2]);
  assert.equal([finding.meanBaseline, finding.meanSra], [10, 7]);
});

findings("the interval is Student's t of the paired differences", () => {
  // Mean -3, standard error 1 / sqrt(3), t(0.975, 2) = 4.3026527.
  const [low, high] = compared(-2, -3, -4).interval;
  assert.ok(Math.abs(low - (-3 - 4.302652729911275 / Math.sqrt(3))) < 1e-9);
  assert.ok(Math.abs(high - (-3 + 4.302652729911275 / Math.sqrt(3))) < 1e-9);
  assert.equal(confidenceInterval([1]), [Number.NaN, Number.NaN]);
  // Of many seeds too, the quantile is that of their number: 2.0930 for 19 degrees of freedom.
  const many = Array.from({ length: 20 }, (_, i) => i);
  const reach = 2.093024054408263 * Math.sqrt(35 / 20);
  assert.ok(Math.abs(confidenceInterval(many)[1] - (9.5 + reach)) < 1e-9);
});

findings("resolves only what the 95 % interval tells from zero", () => {
  assert.is(compared(-2, -3, -4).verdict, "better");
  assert.is(compared(2, 3, 4).verdict, "worse");
  assert.is(compared(-3, -3.1).verdict, "better");
  assert.is(compared(-1, -3).verdict, "not resolved");
  assert.is(compared(-1, -3).reason, "the 95 % interval holds 0");
  assert.is(compared(-5, -4, 0.01).verdict, "not resolved");
  assert.is(compared(0, 0, 0).verdict, "not resolved");
  assert.is(compared(-5, 0).verdict, "not resolved");
});

findings("turns round where higher is better", () => {
  const results = withDifferences([2, 3, 4]);
  assert.is(compare(results, { ...LOWER, lowerIsBetter: false }, 3000).verdict, "better");
});

findings("resolves nothing from one seed or with a value missing", () => {
  assert.is(compared(-5).verdict, "not resolved");
  assert.is(compared(-5).reason, "one seed shows no spread");
  const missing = compared(-5, -5, Number.NaN);
  assert.is(missing.verdict, "not resolved");
  assert.equal([missing.pairs.length, missing.missingSeeds, missing.mean], [2, [2], -5]);
  const none = compared(Number.NaN);
  assert.is(none.reason, "no seed has a value in both arms");
  assert.ok(Number.isNaN(none.mean) && Number.isNaN(none.min));
});

findings("compares at the last step that every run reached", () => {
  const results = syntheticResults([0, 1]);
  results.arms[0].runs[1].evaluations.pop();
  assert.is(finalStep(results), 2400);
  results.arms[0].runs[1].evaluations = [];
  assert.is(finalStep(results), undefined);
  assert.ok(findingsOf(results).every((finding) => finding.verdict === "not resolved"));
});

findings("summarizes a probe", () => {
  const metrics = { frechet: 0, inceptionScore: 0, precision: 0, recall: 0 };
  const probe = [
    { timestep: 0.2, accuracy: [0.2, 0.9, 0.4] },
    { timestep: 0.8, accuracy: [0.6, 0.1, 0.5] },
  ];
  assert.ok(Math.abs(probeMean({ step: 1, metrics, probe }) - 0.45) < 1e-12);
  assert.is(probeBest({ step: 1, metrics, probe }), 0.5);
  assert.ok(Number.isNaN(probeBest({ step: 1, metrics, probe: [] })));
  assert.ok(Number.isNaN(probeMean({ step: 1, metrics, probe: [] })));
});

findings("says in one sentence what is resolved and what is not", () => {
  const results = syntheticResults();
  const [better, worse, open] = [compared(-2, -3, -4), compared(2, 3, 4), compared(1, -1)];
  worse.measure = { ...LOWER, phrase: "recall" };
  open.measure = { ...LOWER, phrase: "precision" };
  const text = summarize(results, [better, worse, open]);
  assert.is(
    text,
    "On MNIST at the laptop scale, after 3,000 training steps and over 3 paired seeds, SRA was better than the baseline " +
      "in Frechet distance (\u22123.00); SRA was worse in recall (+3.00); no difference was resolved in precision; this is " +
      "a small-scale result measured in the features of a small convolutional MNIST classifier, not of Inception, so its " +
      "numbers are not comparable with the paper\u2019s.",
  );
  assert.match(
    summarize(results, [open]),
    ", no difference between SRA and the baseline was resolved; this is",
  );
});

findings("smooths by means of whole bins and leaves out what is not finite", () => {
  assert.is(binSize(60), 1);
  assert.is(binSize(61), 2);
  assert.equal(binned(3, [1, 2, 3, 4, 5], [1, 3, Number.NaN, 5, 7], 2), {
    seed: 3,
    x: [1.5, 3.5, 5],
    y: [2, 5, 7],
  });
});

findings("summarizes series where every seed has a value", () => {
  const a = { seed: 0, x: [1, 2, 3], y: [1, 2, 3] };
  const b = { seed: 1, x: [1, 2, 4], y: [3, Number.NaN, 5] };
  assert.equal(summarizeSeries([a, b]), { x: [1], mean: [2], min: [1], max: [3] });
  assert.equal(summarizeSeries([]), { x: [], mean: [], min: [], max: [] });
});

findings("makes readable ticks and rows", () => {
  assert.equal(logTicks(1.3, 95), [1, 2, 5, 10, 20, 50, 100]);
  assert.equal(logTicks(0.03, 0.3), [0.02, 0.05, 0.1, 0.2, 0.5]);
  assert.equal(logTicks(0.002, 3000), [0.001, 0.01, 0.1, 1, 10, 100, 1000].slice(1));
  assert.equal(spaced(3, 12), [0, 1, 2]);
  assert.equal(spaced(101, 3), [0, 50, 100]);
});

findings("writes numbers for readers", () => {
  assert.is(formatFixed(-1234.5, 1), "\u22121,234.5");
  assert.is(formatFixed(-0.001, 2), "0.00");
  assert.is(formatFixed(Number.POSITIVE_INFINITY, 2), "n/a");
  assert.is(formatValue(0.873, { unit: "percent", digits: 1 }), "87.3\u00a0%");
  assert.is(formatDifference(0.0123, { unit: "percent", digits: 1 }), "+1.23\u00a0pp");
  assert.is(formatDifference(-3, { unit: "plain", digits: 2 }), "\u22123.00");
  assert.is(formatDifference(0.001, { unit: "plain", digits: 2 }), "0.00");
  assert.is(formatDifference(Number.NaN, { unit: "plain", digits: 2 }), "n/a");
  assert.equal(
    [0.0872, 12.34, 185, 7620, Number.NaN].map(formatSeconds).map((s) => s.replaceAll("\u00a0", " ")),
    ["87.2 ms", "12.3 s", "3 min 05 s", "2 h 07 min", "n/a"],
  );
  assert.equal(
    [digitsFor([17, 3]), digitsFor([0.004]), digitsFor([12345]), digitsFor([Number.NaN])],
    [2, 6, 0, 2],
  );
  assert.is(joinList(["a", "b", "c"]), "a, b and c");
  assert.is(words("learningRate"), "learning rate");
});

findings.run();
