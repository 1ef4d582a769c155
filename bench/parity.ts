/** Prints every fixture array's error against the reference, eager and compiled, as Markdown: `npm run parity`. */
import { allRows } from "../test/parity/rows.ts";

const rows = await allRows();
const number = (error?: number): string => error?.toExponential(1) ?? "";
const table = (head: string[], lines: string[][]): string =>
  [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const files = [...new Set(rows.map(({ file }) => file))].map((file) => {
  const own = rows.filter((row) => row.file === file);
  const largest = (mode: "eager" | "jit"): string => {
    const errors = own.flatMap((row) => row[mode] ?? []);
    return number(errors.length > 0 ? Math.max(...errors) : undefined);
  };
  return [file, `${own.length}`, largest("eager"), largest("jit"), number(own[0].tolerance)];
});

console.log(
  "Errors are the largest absolute difference over the largest absolute expected value of the array.\n",
);
console.log(table(["file", "arrays", "largest eager", "largest jit", "tolerance"], files));
console.log();
console.log(
  table(
    ["file", "array", "eager", "jit", "tolerance"],
    rows.map((row) => [row.file, row.array, number(row.eager), number(row.jit), number(row.tolerance)]),
  ),
);

const outside = rows.filter((row) => !(Math.max(row.eager ?? 0, row.jit ?? 0) <= row.tolerance));
if (outside.length > 0) {
  console.error(`${outside.length} arrays are outside their tolerance`);
  process.exitCode = 1;
}
