import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareCost, costInWords } from "../../../lib/experiments/report/cost.ts";
import {
  compare,
  compareArms,
  type Finding,
  type PairComparison,
  tallyOf,
} from "../../../lib/experiments/report/findings.ts";
import {
  finalStep,
  type Measure,
  measuresOf,
  probeBest,
  probeMean,
} from "../../../lib/experiments/report/measures.ts";
import {
  confidenceInterval,
  formatLevel,
  pairsOf,
  sharedLevel,
} from "../../../lib/experiments/report/paired.ts";
import { summarize, titleOf } from "../../../lib/experiments/report/sentence.ts";
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
  formatInterval,
  formatSeconds,
  formatValue,
  joinList,
  words,
} from "../../../lib/experiments/report/text.ts";
import type { Results } from "../../../lib/experiments/results.ts";
import { summaryLines } from "../../../lib/experiments/summary.ts";
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
  for (const { name, runs } of results.arms)
    for (const run of runs)
      run.evaluations.at(-1)!.metrics.frechet = name === "sra" ? 10 + differences[run.seed] : 10;
  return results;
}

const comparedIn = (results: Results, measure = LOWER, level = 0.95): Finding =>
  compare(results.seeds, pairsOf(results.arms)[0], measure, finalStep(results), level);

const compared = (...differences: number[]): Finding => comparedIn(withDifferences(differences));

findings("pairs by seed, whatever the order of the runs", () => {
  const results = withDifferences([-2, -3, -4]);
  results.arms[1].runs.reverse();
  const finding = comparedIn(results);
  assert.equal(
    finding.seeds.map(({ seed, difference }) => [seed, difference]),
    [
      [0, -2],
      [1, -3],
      [2, -4],
    ],
  );
  assert.equal([finding.mean, finding.againstMean, finding.valueMean], [-3, 10, 7]);
});

findings("the interval is Student's t of the paired differences", () => {
  // Mean -3, standard error 1 / sqrt(3), t(0.975, 2) = 4.3026527.
  const [low, high] = compared(-2, -3, -4).interval;
  assert.ok(Math.abs(low - (-3 - 4.302652729911275 / Math.sqrt(3))) < 1e-9);
  assert.ok(Math.abs(high - (-3 + 4.302652729911275 / Math.sqrt(3))) < 1e-9);
  assert.equal(confidenceInterval([1], 0.95), [Number.NaN, Number.NaN]);
  // Of many seeds too, the quantile is that of their number: 2.0930 for 19 degrees of freedom.
  const many = Array.from({ length: 20 }, (_, i) => i);
  const reach = 2.093024054408263 * Math.sqrt(35 / 20);
  assert.ok(Math.abs(confidenceInterval(many, 0.95)[1] - (9.5 + reach)) < 1e-9);
});

findings("resolves only what the 95 % interval tells from zero", () => {
  assert.is(compared(-2, -3, -4).verdict, "better");
  assert.is(compared(2, 3, 4).verdict, "worse");
  assert.is(compared(-3, -3.1).verdict, "better");
  assert.is(compared(-1, -3).verdict, "not resolved");
  assert.is(compared(-1, -3).reason, "the 95\u00a0% interval holds 0");
  assert.is(compared(-5, -4, 0.01).verdict, "not resolved");
  assert.is(compared(0, 0, 0).verdict, "not resolved");
  assert.is(compared(-5, 0).verdict, "not resolved");
});

findings("a difference that rounding made is none", () => {
  // Equally good blocks, two and three of them: the means are 0.1 and 0.10000000000000002.
  const results = syntheticResults([0, 1, 2]);
  for (const [i, { runs }] of results.arms.entries())
    for (const run of runs)
      run.evaluations.at(-1)!.probe = [{ timestep: 0.2, accuracy: Array(2 + i).fill(0.1) }];
  const measure = measuresOf(results).find(({ key }) => key === "probeMean")!;
  const finding = comparedIn(results, measure);
  assert.ok(finding.seeds.every(({ against, value }) => value > against));
  assert.is(finding.verdict, "not resolved");
  assert.is(finding.reason, "equal in every seed");
  assert.equal(
    finding.seeds.map(({ difference }) => difference),
    [0, 0, 0],
  );
  assert.is(finding.mean, 0);
  // Relative to the values: small ones may differ by little.
  assert.is(compared(2e-8, 3e-8, 4e-8).verdict, "worse");
  assert.is(compared(2e-9, 3e-9, 4e-9).reason, "equal in every seed");
});

findings("seeds that all say the same show no spread", () => {
  // Student's t would make an interval of no width of them, and resolve what two seeds may agree on by chance.
  for (const same of [
    [1, 1, 1],
    [0.1, 0.1],
    [-1 / 3, -1 / 3, -1 / 3 + 1e-12],
  ]) {
    const finding = compared(...same);
    assert.is(finding.verdict, "not resolved");
    assert.is(finding.reason, "the same in every seed, which shows no spread");
    assert.ok(finding.interval.every(Number.isNaN));
  }
  assert.is(compared(1, 1.01).verdict, "worse");
  assert.match(costInWords(costOf([1, 2], [2, 4])), /2\.00 times .* Not resolved: the same in every seed/);
});

findings("turns round where higher is better", () => {
  const results = withDifferences([2, 3, 4]);
  assert.is(comparedIn(results, { ...LOWER, lowerIsBetter: false }).verdict, "better");
});

findings("resolves nothing from one seed or with a value missing", () => {
  assert.is(compared(-5).verdict, "not resolved");
  assert.is(compared(-5).reason, "one seed shows no spread");
  const missing = compared(-5, -5, Number.NaN);
  assert.is(missing.verdict, "not resolved");
  assert.equal([missing.seeds.length, missing.missingSeeds, missing.mean], [2, [2], -5]);
  const none = compared(Number.NaN);
  assert.is(none.reason, "no seed has a value in both arms");
  assert.ok(Number.isNaN(none.mean) && none.interval.every(Number.isNaN));
});

findings("compares at the last step that every run reached", () => {
  const results = syntheticResults([0, 1]);
  results.arms[0].runs[1].evaluations.pop();
  assert.is(finalStep(results), 2400);
  results.arms[0].runs[1].evaluations = [];
  assert.is(finalStep(results), undefined);
  const [{ findings: all }] = compareArms(results);
  assert.is(all.length, 7);
  assert.ok(all.every((finding) => finding.verdict === "not resolved"));
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
  const of = (...all: Finding[]): PairComparison[] => [
    { ...pairsOf(results.arms)[0], level: 0.95, findings: all },
  ];
  const text = summarize(results, of(better, worse, open));
  assert.is(
    text,
    "On MNIST at the laptop scale, after 3,000 training steps and over 3 paired seeds, SRA was better than the baseline " +
      "in Frechet distance (\u22123.00); SRA was worse in recall (+3.00); these are 2 of 3 measures, of which chance " +
      "alone would resolve about 0.15; no difference was resolved in precision; this is measured in the features of a small convolutional MNIST classifier, not of Inception, so its numbers are not " +
      "comparable with published ones.",
  );
  assert.match(
    summarize(results, of(worse)),
    ", SRA was worse than the baseline in recall (+3.00); this is 1 of 1 measure, of which chance alone would resolve about 0.05; this is",
  );
  assert.match(
    summarize(results, of(open)),
    ", no difference between SRA and the baseline was resolved; this is",
  );
});

findings("a measure that was chosen beforehand comes first, and chance picks among the others alone", () => {
  const results = syntheticResults([0, 1, 2]);
  const planned = { ...results, probeBlocks: [{ block: 2, label: "aligned block 2", planned: true }] };
  assert.is(measuresOf(results)[4].phrase, measuresOf(planned)[0].phrase);
  assert.is(measuresOf(planned).length, measuresOf(results).length);
  const of = (...all: Finding[]): PairComparison[] => [
    { ...pairsOf(results.arms)[0], level: 0.95, findings: all },
  ];
  const [chosen, better, open] = [compared(-2, -3, -4), compared(-2, -3, -4), compared(1, -1)];
  chosen.measure = { ...LOWER, phrase: "loss", planned: true };
  better.measure = { ...LOWER, phrase: "recall" };
  open.measure = { ...LOWER, phrase: "precision" };
  assert.match(
    summarize(planned, of(chosen, open)),
    ", SRA was better than the baseline in loss (\u22123.00, the measure chosen beforehand); 0 of 1 other measure resolved, of which chance alone would resolve about 0.05; no difference was resolved in precision; this is",
  );
  assert.match(
    summarize(planned, of(chosen, better, open)),
    "in loss (\u22123.00, the measure chosen beforehand) and recall (\u22123.00); 1 of 2 other measures resolved, of which chance alone would resolve about 0.10;",
  );
});

findings("what has no values is not called a difference that was not resolved", () => {
  const results = syntheticResults([0, 1, 2]);
  for (const { runs } of results.arms)
    for (const run of runs) run.evaluations.at(-1)!.metrics.recall = Number.NaN;
  const [comparison] = compareArms(results);
  const sentence = summarize(results, [comparison]);
  assert.match(sentence, "; no values to compare in recall; this is");
  assert.match(sentence, "of 6 measures, of which chance alone would resolve about 0.30;");
  assert.equal(tallyOf([comparison]).judged, 6);
  // Arms that were evaluated at other steps: nothing of them is compared.
  for (const run of results.arms[1].runs) for (const evaluation of run.evaluations) evaluation.step += 1;
  const apart = summarize(results, compareArms(results));
  assert.match(
    apart,
    ", SRA and the baseline could not be compared, because no seed has values of both after the same steps; this is",
  );
  assert.not.match(apart, "resolve");
  const four = syntheticResults([0, 1, 2], 4);
  for (const run of four.arms[0].runs) for (const evaluation of run.evaluations) evaluation.step += 1;
  assert.match(
    summarize(four, compareArms(four)),
    ", no two arms could be compared, because no seed has values of both after the same steps; this is",
  );
});

findings("compares every two arms of four, each by an interval that shares out the 5 %", () => {
  const results = syntheticResults([0, 1, 2], 4);
  const comparisons = compareArms(results);
  assert.equal(
    comparisons.map(({ against, arm }) => `${arm.name} - ${against.name}`),
    [
      "sra - baseline",
      "sra-late - baseline",
      "wide - baseline",
      "sra-late - sra",
      "wide - sra",
      "wide - sra-late",
    ],
  );
  for (const { level, findings: all } of comparisons) {
    assert.is(level, 1 - 0.05 / 6);
    assert.is(all.length, 6, "no block is aligned in a comparison that names none");
    for (const { seeds, interval } of all)
      assert.equal(
        interval,
        confidenceInterval(
          seeds.map(({ difference }) => difference),
          level,
        ),
      );
  }
  assert.equal(
    [1, 3, 6, 45].map((pairs) => formatLevel(sharedLevel(pairs)).replace("\u00a0", " ")),
    ["95 %", "98.33 %", "99.17 %", "99.89 %"],
  );
  const sentence = summarize(results, comparisons);
  assert.match(sentence, "a wide SiT was better than the baseline in ");
  assert.not.match(sentence, "than SRA");
  assert.match(
    sentence,
    /; \d+ of 36 comparisons resolved a difference \(6 pairs of arms, each interval of 99\.17\s%; chance alone would resolve about 0\.30\); this is/,
  );
});

findings("what a pair resolves, many pairs need not", () => {
  // Mean 3, standard error 1 / sqrt(3): t(0.975, 2) / sqrt(3) = 2.48, but of six pairs t(0.99583, 2) / sqrt(3) = 6.3.
  const results = withDifferences([2, 3, 4]);
  assert.is(comparedIn(results, LOWER, sharedLevel(1)).verdict, "worse");
  const many = comparedIn(results, LOWER, sharedLevel(6));
  assert.is(many.verdict, "not resolved");
  assert.is(many.reason, "the 99.17\u00a0% interval holds 0");
});

findings("has nothing to compare one arm with, and says so", () => {
  const results = syntheticResults([0, 1, 2], 1);
  assert.equal(compareArms(results), []);
  assert.match(
    summarize(results, []),
    "and over 3 seeds, there were no two arms to compare; this is measured",
  );
  const lines = summaryLines(results);
  assert.match(lines[0], /^ +baseline$/);
  assert.match(lines[1], /^Frechet distance +\d+\.\d\d$/);
});

findings("is named after its arms and its scale", () => {
  const titles = [1, 2, 4].map((arms) => titleOf(syntheticResults([0], arms)));
  assert.equal(titles, [
    "The baseline on MNIST, at the laptop scale",
    "SRA against the baseline on MNIST, at the laptop scale",
    "4 arms on MNIST, at the laptop scale",
  ]);
});

findings("writes a table a pair for a terminal", () => {
  const two = summaryLines(syntheticResults());
  assert.match(two[0], /^ +baseline +sra +difference +95\s% interval +verdict$/);
  assert.is(two.length, 1 + 7 + 2);
  const four = summaryLines(syntheticResults([0, 1, 2], 4));
  assert.is(four[0], "SRA against the baseline");
  assert.is(four.filter((line) => line.endsWith("verdict")).length, 6);
});

/** Both arms with these seconds a step, by seed. */
function costOf(baseline: number[], sra: number[], seeds = baseline.length) {
  const results = syntheticResults(Array.from({ length: seeds }, (_, i) => i));
  for (const [arm, seconds] of [baseline, sra].entries())
    for (const run of results.arms[arm].runs) run.stepSeconds = seconds[run.seed];
  return compareCost(results.seeds, pairsOf(results.arms)[0], 0.95);
}

findings("a ratio of step times that its seeds do not agree on is not resolved", () => {
  const open = costOf([1, 1, 1], [0.88, 0.89, 1.4]);
  assert.ok(Math.abs(open.ratio - Math.cbrt(0.88 * 0.89 * 1.4)) < 1e-12);
  assert.ok(open.interval[0] < 1 && open.interval[1] > 1);
  assert.is(
    costInWords(open).replaceAll("\u00a0", " "),
    "SRA took 1.03 times as long a step as the baseline (0.88, 0.89 and 1.40 by seed; 95 % interval 0.53 to 1.99). " +
      "Not resolved: the 95 % interval holds 1.",
  );
  const slower = costOf([2, 3, 4], [2.6, 4, 5.2]);
  assert.ok(slower.isResolved);
  assert.not.match(costInWords(slower), "Not resolved");
  assert.match(
    costInWords(costOf([1], [2])),
    /2\.00 times .* \(2\.00 by seed\)\. Not resolved: one seed shows no spread/,
  );
  assert.match(costInWords(costOf([], [], 1)), "cannot be compared");
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
  assert.is(formatInterval([-0.0123, 0.5], { unit: "percent", digits: 1 }), "\u22121.23 to +50.00\u00a0pp");
  assert.is(formatInterval([Number.NaN, Number.NaN], { unit: "plain", digits: 2 }), "n/a");
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
  assert.equal(["learningRate", "learning-rate", "DiT, deep: layersync"].map(words), [
    "learning rate",
    "learning rate",
    "DiT, deep: layersync",
  ]);
});

findings.run();
