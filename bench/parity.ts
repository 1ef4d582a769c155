/** Prints every fixture array's error against the reference, eager and compiled, as Markdown: `npm run parity`. */
import { methodErrors, type NotedError } from "../test/parity/notes.ts";
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

console.log(
  "\nThe methods' tests compare with their fixtures themselves, eager and compiled; by file and array:\n",
);
const noted = await methodErrors();
/** Rows of those comparisons that have what `keyOf` says in common. */
function comparisons(keyOf: (one: NotedError) => readonly string[]): string[][] {
  const groups = new Map<string, NotedError[]>();
  for (const one of noted) {
    const key = keyOf(one).join("\0");
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].map(([key, all]) => {
    const largest = Math.max(...all.map(({ error }) => error));
    return [...key.split("\0"), `${all.length}`, number(largest), number(all[0].tolerance)];
  });
}
const testOf = ({ file }: NotedError): string => file.replace(".test.ts", "");
const head = ["comparisons", "largest", "tolerance"];
// Gradients have another tolerance than values.
const byTest = comparisons((one) => [testOf(one), `${one.tolerance}`]).map(([test, _, ...rest]) => [
  test,
  ...rest,
]);
console.log(table(["test", ...head], byTest));
console.log();
console.log(
  table(
    ["test", "array", ...head],
    comparisons((one) => [testOf(one), one.what]),
  ),
);

const outside = rows.filter((row) => !(Math.max(row.eager ?? 0, row.jit ?? 0) <= row.tolerance));
if (outside.length > 0) {
  console.error(`${outside.length} arrays are outside their tolerance`);
  process.exitCode = 1;
}
