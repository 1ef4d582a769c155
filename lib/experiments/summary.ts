import { compareArms, type PairComparison } from "./report/findings.ts";
import { finalStep, mean, measuresOf, valueAt } from "./report/measures.ts";
import { formatLevel } from "./report/paired.ts";
import { aligned } from "./report/plain-tables.ts";
import { pairName, summarize } from "./report/sentence.ts";
import { formatDifference, formatInterval, formatValue } from "./report/text.ts";
import type { Results } from "./results.ts";

const pairLines = ({ arm, against, level, findings }: PairComparison): string[] =>
  aligned([
    ["", against.name, arm.name, "difference", `${formatLevel(level)} interval`, "verdict"],
    ...findings.map(({ measure: { label, format }, againstMean, valueMean, mean, interval, verdict }) => [
      label,
      formatValue(againstMean, format),
      formatValue(valueMean, format),
      formatDifference(mean, format),
      formatInterval(interval, format),
      verdict,
    ]),
  ]);

/** The means of each arm, where there are no two to compare. */
const valueLines = (results: Results): string[] =>
  aligned([
    ["", ...results.arms.map(({ name }) => name)],
    ...measuresOf(results).map((measure) => [
      measure.label,
      ...results.arms.map(({ runs }) =>
        formatValue(mean(runs.map((run) => valueAt(run, measure, finalStep(results)))), measure.format),
      ),
    ]),
  ]);

/**
 * The comparison as lines for a terminal: for each pair of arms one line a measure, then the sentence that the report
 * opens with.
 */
export function summaryLines(results: Results): string[] {
  const comparisons = compareArms(results);
  const several = comparisons.length > 1;
  const tables = comparisons.flatMap((comparison, i) => [
    ...(i > 0 ? [""] : []),
    ...(several ? [pairName(comparison)] : []),
    ...pairLines(comparison),
  ]);
  return [...(comparisons.length === 0 ? valueLines(results) : tables), "", summarize(results, comparisons)];
}
