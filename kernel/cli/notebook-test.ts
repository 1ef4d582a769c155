/** `ditlab notebook test`: runs notebooks and compares what came with what they hold. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Rules } from "../notebook/compare/text.ts";
import type { TestedCell, TestOptions, TestResult } from "../notebook/test.ts";
import { firstLine, positive, reporter, stopSignal } from "./run-options.ts";

interface TestFlags {
  tolerance?: Rules["tolerance"];
  ignore: string[];
  timeout?: number;
  update?: boolean;
  cwd?: string;
}

function tolerance(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < 1))
    throw new InvalidArgumentError("a number from 0 and below 1 expected, such as 1e-3.");
  return value;
}

function pattern(text: string, patterns: string[]): string[] {
  try {
    new RegExp(text, "gu");
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return [...patterns, text];
}

function tell(file: string, { cell, index, differences }: TestedCell): void {
  process.stdout.write(`\n${file}, cell ${index}: ${firstLine(cell.source).slice(0, 80)}\n`);
  for (const { place, lines } of differences)
    process.stdout.write(`  ${place}\n${lines.map((line) => `    ${line}\n`).join("")}`);
}

type Counts = Pick<TestResult, "compared" | "differ" | "ignored" | "notRun">;

const countsText = ({ compared, differ, ignored, notRun }: Counts): string =>
  `${compared} cells compared, ${differ} differ, ${ignored} ignored${notRun > 0 ? `, ${notRun} not run` : ""}`;

/** Tests one; undefined, with a sentence, where it is none or no kernel runs. */
async function testFile(file: string, options: TestOptions): Promise<TestResult | undefined> {
  const { testNotebook } = await import("../notebook/test.ts");
  try {
    const result = await testNotebook(resolve(file), options);
    for (const cell of result.cells) if (cell.outcome === "differs") tell(file, cell);
    if (result.updated) process.stdout.write(`\n${file}: wrote the new outputs of ${result.differ} cells\n`);
    else if (options.update && result.differ > 0)
      process.stdout.write(`\n${file}: nothing was written, as the run did not come to its end\n`);
    return result;
  } catch (error) {
    process.stderr.write(`\nditlab: ${(error as Error).message}\n`);
    return undefined;
  }
}

async function test(files: string[], flags: TestFlags): Promise<void> {
  const signal = stopSignal();
  const total = { compared: 0, differ: 0, ignored: 0, notRun: 0 };
  let failed = false;
  for (const file of files) {
    if (signal.aborted) break;
    if (files.length > 1) process.stderr.write(`${file}\n`);
    const result = await testFile(file, {
      tolerance: flags.tolerance,
      ignore: flags.ignore,
      update: flags.update,
      cellTimeout: flags.timeout === undefined ? undefined : flags.timeout * 1000,
      kernel: flags.cwd === undefined ? {} : { cwd: resolve(flags.cwd) },
      signal,
      onCell: reporter(),
      onWarning: (sentence) => process.stderr.write(`warning: ${sentence}\n`),
    });
    if (!result || (result.differ > 0 && !result.updated)) failed = true;
    for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += result?.[name] ?? 0;
  }
  process.stdout.write(`\n${countsText(total)}\n`);
  process.exit(signal.aborted ? 130 : failed ? 1 : 0);
}

export const testCommand = (): Command =>
  new Command("test")
    .description("run notebooks and compare what comes with the outputs that they hold; nothing is written")
    .argument("<notebooks...>", ".ipynb files")
    .option(
      "--tolerance <share>",
      "how far numbers may be off, relative to their size (default: integers not at all, others 1e-6)",
      tolerance,
    )
    .option(
      "--ignore <pattern>",
      "a regular expression of text to ignore; may be given several times",
      pattern,
      [],
    )
    .option("--timeout <seconds>", "the longest that a cell may take", positive)
    .option("--update", "write the new outputs of cells that differ into the notebooks")
    .option("--cwd <folder>", "the folder that cells see (default: the notebook's)")
    .addHelpText(
      "after",
      "\nExit codes: 0 all agree or were updated, 1 a cell differs or failed, 2 wrong usage, 130 stopped by Ctrl-C.",
    )
    .action(test);
