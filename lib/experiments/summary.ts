import { findingsOf, summarize } from "./report/findings.ts";
import { formatDifference, formatValue } from "./report/text.ts";
import type { Results } from "./results.ts";

/** The comparison as lines for a terminal: one a measure, then the sentence that the report opens with. */
export function summaryLines(results: Results): string[] {
  const findings = findingsOf(results);
  const rows = findings.map(({ measure, meanBaseline, meanSra, mean, verdict }) => [
    measure.label,
    formatValue(meanBaseline, measure.format),
    formatValue(meanSra, measure.format),
    formatDifference(mean, measure.format),
    verdict,
  ]);
  const table = [["", "baseline", "SRA", "difference", "verdict"], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, "", summarize(results, findings)];
}
