/** `ditlab notebook`: notebooks without a front end. */
import { basename, extname, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { Command, InvalidArgumentError } from "commander";
import type { RunResult } from "../notebook/run.ts";
import { testCommand } from "./notebook-test.ts";
import { positive, reporter, stopSignal } from "./run-options.ts";

interface RunFlags {
  output?: string;
  html?: boolean;
  png?: boolean;
  allowErrors?: boolean;
  timeout?: number;
  parameter: [string, string][];
  cwd?: string;
}

function reportFailure({ failed }: RunResult): void {
  const { cell, index, reason } = failed!;
  const error = cell.outputs.findLast(({ output_type }) => output_type === "error");
  const colours = process.stderr.isTTY;
  const plain = (text: string) => (colours ? text : stripVTControlCharacters(text));
  const source = cell.source.split("\n").map((line, i) => `${String(i + 1).padStart(4)} | ${line}`);
  process.stderr.write(`\nCell ${index} failed: ${reason}\n\n${source.join("\n")}\n\n`);
  if (error?.output_type === "error") process.stderr.write(`${plain(error.traceback.join("\n"))}\n`);
}

async function run(path: string, flags: RunFlags): Promise<void> {
  const { runNotebook } = await import("../notebook/run.ts");
  const pictures = flags.png ? await import("../notebook/pictures.ts") : undefined;
  const browser = pictures?.findBrowser();
  const result = await runNotebook(path, {
    output: flags.output,
    allowErrors: flags.allowErrors,
    cellTimeout: flags.timeout === undefined ? undefined : flags.timeout * 1000,
    parameters: await parse(flags.parameter),
    kernel: flags.cwd === undefined ? {} : { cwd: resolve(flags.cwd) },
    signal: stopSignal(),
    onCell: reporter(),
    onWarning: (sentence) => process.stderr.write(`warning: ${sentence}\n`),
  });
  if (pictures && browser !== undefined) {
    const drawn = await pictures.addPictures(result.notebook, browser);
    if (drawn > 0)
      await (await import("../notebook/format.ts")).writeNotebook(result.output, result.notebook);
  }
  const written = [result.output];
  if (flags.html) {
    const { writeNotebookPage } = await import("../notebook/html.ts");
    const page = result.output.slice(0, result.output.length - extname(result.output).length);
    await writeNotebookPage(`${page}.html`, result.notebook, basename(page));
    written.push(`${page}.html`);
  }
  if (result.failed && !result.interrupted) reportFailure(result);
  process.stderr.write(`${result.seconds.toFixed(1)} s; wrote ${written.join(" and ")}\n`);
  process.exit(result.interrupted ? 130 : result.failed ? 1 : 0);
}

/** A notebook's page, from the outputs that it has. */
async function writePage(path: string, { output }: { output?: string }): Promise<void> {
  const { readNotebook } = await import("../notebook/format.ts");
  const { writeNotebookPage } = await import("../notebook/html.ts");
  const base = path.slice(0, path.length - extname(path).length);
  const page = resolve(output ?? `${base}.html`);
  await writeNotebookPage(page, await readNotebook(resolve(path)), basename(base));
  process.stderr.write(`wrote ${page}\n`);
}

async function parse(pairs: [string, string][]): Promise<Record<string, unknown>> {
  const { parseParameter } = await import("../notebook/parameters.ts");
  return Object.fromEntries(pairs.map(([name, text]) => [name, parseParameter(text)]));
}

/** `-p name value` as one word for commander, whose options take one value or all that follow. */
export function joinParameters(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === "--") return [...joined, ...argv.slice(i)];
    if (argv[i] !== "-p" && argv[i] !== "--parameter") {
      joined.push(argv[i]);
      continue;
    }
    const [name, value] = argv.slice(i + 1, i + 3);
    joined.push(`--parameter=${name ?? ""}${value === undefined ? "" : `=${value}`}`);
    i += 2;
  }
  return joined;
}

function pair(word: string, pairs: [string, string][]): [string, string][] {
  const at = word.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("a name and a value expected.");
  return [...pairs, [word.slice(0, at), word.slice(at + 1)]];
}

export const notebookCommand = (): Command =>
  new Command("notebook")
    .description("notebooks without a front end")
    .addCommand(
      new Command("run")
        .description("run a notebook's cells in order and write their outputs into it")
        .argument("<notebook>", "an .ipynb file")
        .option("-o, --output <file>", "where the notebook with its outputs goes (default: over the input)")
        .option("--html", "also write a page beside it that needs no network")
        .option(
          "--png",
          "add a picture to each plotly figure, for GitHub and others that run no scripts; needs Chrome or Chromium",
        )
        .option("--allow-errors", "go on after a cell that fails")
        .option("--timeout <seconds>", "the longest that a cell may take", positive)
        .option(
          "-p, --parameter <name value>",
          "set a variable of the cell tagged `parameters`; may be given several times",
          pair,
          [],
        )
        .option("--cwd <folder>", "the folder that cells see (default: the notebook's)")
        .addHelpText("after", "\nExit codes: 0 done, 1 a cell failed, 2 wrong usage, 130 stopped by Ctrl-C.")
        .action(run),
    )
    .addCommand(testCommand())
    .addCommand(
      new Command("html")
        .description("write a page of a notebook as it is, which needs no network; nothing is run")
        .argument("<notebook>", "an .ipynb file")
        .option("-o, --output <file>", "where the page goes (default: beside the notebook)")
        .action(writePage),
    );
