/** The whole comparison in one sentence, and its name. */

import type { Results } from "../results.ts";
import { type Finding, type PairComparison, tallyOf, unplanned, type Verdict } from "./findings.ts";
import { finalStep } from "./measures.ts";
import { formatLevel, type Pair } from "./paired.ts";
import { capitalized, formatCount, formatDifference, formatFixed, joinList, plural } from "./text.ts";

/** Whether the metrics use Inception's features, as published results do. */
export function usesInception(results: Results): boolean {
  return /^inception/i.test(results.featureNetwork.name);
}

/** `SRA against the baseline`. */
export const pairName = ({ arm, against }: Pair): string =>
  capitalized(`${arm.phrase} against ${against.phrase}`);

/** `SRA against the baseline on MNIST, at the small scale`. */
export function titleOf({ arms, dataset, scale }: Results): string {
  const where = `on ${dataset}, at the ${scale} scale`;
  if (arms.length === 1) return `${capitalized(arms[0].phrase)} ${where}`;
  if (arms.length === 2) return `${pairName({ against: arms[0], arm: arms[1] })} ${where}`;
  return `${plural(arms.length, "arm")} ${where}`;
}

/** Whether any seed has values of both arms. */
const hasValues = ({ seeds }: Finding): boolean => seeds.length > 0;

const named = ({ findings }: PairComparison, verdict: Verdict, withMean: boolean): string =>
  joinList(
    findings
      .filter((finding) => finding.verdict === verdict && hasValues(finding))
      .map(({ measure, mean }) =>
        withMean
          ? `${measure.phrase} (${formatDifference(mean, measure.format)}${measure.planned ? ", the measure chosen beforehand" : ""})`
          : measure.phrase,
      ),
  );

/** What is resolved between two arms; nothing where nothing is. */
function resolved(comparison: PairComparison): string[] {
  const { arm, against } = comparison;
  const [better, worse] = [named(comparison, "better", true), named(comparison, "worse", true)];
  const than = ` than ${against.phrase}`;
  return [
    better && `${arm.phrase} was better${than} in ${better}`,
    worse && `${arm.phrase} was worse${better ? "" : than} in ${worse}`,
  ].filter((claim) => claim !== "");
}

const NO_VALUES = "because no seed has values of both after the same steps";

function claimsOfPair(comparison: PairComparison): string[] {
  const claims = resolved(comparison);
  const { arm, against, findings } = comparison;
  if (!findings.some(hasValues))
    return [`${arm.phrase} and ${against.phrase} could not be compared, ${NO_VALUES}`];
  const open = named(comparison, "not resolved", false);
  const missing = joinList(
    findings.filter((finding) => !hasValues(finding)).map(({ measure }) => measure.phrase),
  );
  return [
    ...(claims.length > 0
      ? [
          ...claims,
          shareOfChance(comparison),
          ...(open === "" ? [] : [`no difference was resolved in ${open}`]),
        ]
      : [`no difference between ${arm.phrase} and ${against.phrase} was resolved`]),
    ...(missing === "" ? [] : [`no values to compare in ${missing}`]),
  ];
}

/** How much of what is resolved would be, by as many measures, if the arms did not differ at all. */
function shareOfChance(comparison: PairComparison): string {
  const others = unplanned(comparison);
  const { resolved, judged, byChance } = tallyOf([others]);
  const chance = `of which chance alone would resolve about ${formatFixed(byChance, 2)}`;
  if (others.findings.length < comparison.findings.length)
    return `${formatCount(resolved)} of ${plural(judged, "other measure")} resolved, ${chance}`;
  const these = resolved === 1 ? "this is" : "these are";
  return `${these} ${formatCount(resolved)} of ${plural(judged, "measure")}, ${chance}`;
}

/**
 * Of several pairs, what is resolved between the first arm and each other one, and how much was compared to find it;
 * the rest stands in the tables.
 */
function claimsOfPairs(comparisons: readonly PairComparison[]): string[] {
  const [{ against: first, level }] = comparisons;
  const claims = comparisons.filter(({ against }) => against === first).flatMap(resolved);
  const findings = comparisons.flatMap((comparison) => comparison.findings);
  if (!findings.some(hasValues)) return [`no two arms could be compared, ${NO_VALUES}`];
  const { resolved: found, judged, byChance } = tallyOf(comparisons);
  const chance = judged === 0 ? "" : `; chance alone would resolve about ${formatFixed(byChance, 2)}`;
  return [
    ...(claims.length > 0
      ? claims
      : [`no difference between ${first.phrase} and any other arm was resolved`]),
    `${formatCount(found)} of ${plural(findings.length, "comparison")} resolved a difference (${plural(comparisons.length, "pair")} of arms, each interval of ${formatLevel(level)}${chance})`,
  ];
}

function claimsOf(comparisons: readonly PairComparison[]): string[] {
  if (comparisons.length === 0) return ["there were no two arms to compare"];
  return comparisons.length === 1 ? claimsOfPair(comparisons[0]) : claimsOfPairs(comparisons);
}

/** The whole comparison in one sentence. */
export function summarize(results: Results, comparisons: readonly PairComparison[]): string {
  const step = finalStep(results);
  const after = step === undefined ? "" : `, after ${formatCount(step)} training steps`;
  const features = `the features of ${results.featureNetwork.name}${usesInception(results) ? "" : ", not of Inception"}`;
  const seeds = plural(results.seeds.length, comparisons.length === 0 ? "seed" : "paired seed");
  return (
    `On ${results.dataset} at the ${results.scale} scale${after} and over ${seeds}, ` +
    `${claimsOf(comparisons).join("; ")}; this is measured in ${features}, ` +
    "so its numbers are not comparable with published ones."
  );
}
