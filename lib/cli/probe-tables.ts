/** What `ditlab probe` found, as tables for a terminal and files. */
import { join } from "node:path";
import type { BlockNorm, BlockProbe } from "../experiments/probing.ts";
import { aligned, csvLines, markdownTable } from "../experiments/report/plain-tables.ts";
import { claimFolder } from "../io/folders.ts";
import { writeAtomic } from "../io/index.ts";
import type { ProbeRecipe } from "../probe/index.ts";
import { PICTURE_FILES } from "./probe-pictures.ts";

/** What probes and norms were measured of. */
interface Measured {
  source: string;
  version: string;
  createdAt: string;
  data: string;
  seed: number;
}

/** The content of `probe.json`. */
export interface ProbeFile extends Measured {
  format: "ditlab-probe/1";
  step?: number;
  classes: number;
  trainCount: number;
  testCount: number;
  recipe: ProbeRecipe;
  probes: BlockProbe[];
}

/** The content of `norms.json`: of every checkpoint, oldest first. */
export interface NormsFile extends Measured {
  format: "ditlab-norms/1";
  count: number;
  norms: (BlockNorm & { step?: number })[];
}

interface Table {
  title: string;
  head: string[];
  rows: string[][];
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** Blocks down, noise levels across, one table for each set of weights. */
function probeTables({ probes }: ProbeFile): Table[] {
  const times = unique(probes.map(({ time }) => time));
  return unique(probes.map(({ weights }) => weights)).map((weights) => {
    const own = probes.filter((probe) => probe.weights === weights);
    const cell = (block: number, time: number): string => {
      const found = own.find((probe) => probe.block === block && probe.time === time)!;
      return (100 * found.accuracy).toFixed(2);
    };
    return {
      title: `accuracy (%), ${weights}`,
      head: ["block", ...times.map((time) => `t = ${time}`)],
      rows: unique(own.map(({ block }) => block)).map((block) => [
        String(block),
        ...times.map((time) => cell(block, time)),
      ]),
    };
  });
}

/** Checkpoints down, blocks across, one table for each set of weights and noise level. */
function normTables({ norms }: NormsFile): Table[] {
  const blocks = unique(norms.map(({ block }) => block));
  const kinds = unique(norms.map(({ weights, time }) => `${weights}, t = ${time}`));
  return kinds.map((kind) => {
    const own = norms.filter(({ weights, time }) => `${weights}, t = ${time}` === kind);
    return {
      title: `mean norm of tokens and its standard deviation, ${kind}`,
      head: ["step", ...blocks.map((block) => `block ${block}`)],
      rows: unique(own.map(({ step }) => step)).map((step) => [
        String(step ?? "weights"),
        ...blocks.map((block) => {
          const { mean, deviation } = own.find((norm) => norm.step === step && norm.block === block)!;
          return `${mean.toPrecision(4)} ± ${deviation.toPrecision(3)}`;
        }),
      ]),
    };
  });
}

const tablesOf = (file: ProbeFile | NormsFile): Table[] =>
  file.format === "ditlab-probe/1" ? probeTables(file) : normTables(file);

/** For a terminal. */
export const printed = (file: ProbeFile | NormsFile): string =>
  `${tablesOf(file)
    .map(({ title, head, rows }) => [title, ...aligned([head, ...rows])].join("\n"))
    .join("\n\n")}\n`;

function about(file: ProbeFile | NormsFile): string {
  const { source, data, seed, version, createdAt } = file;
  const made = `Seed ${seed}; ditlab ${version}, ${createdAt.slice(0, 10)}.`;
  if (file.format === "ditlab-norms/1")
    return `Norms of every token after a block, of ${file.count} training images of ${data}; ${source}. ${made}`;
  const { recipe, trainCount, testCount, classes, step } = file;
  const { epochs, batchSize, learningRate } = recipe;
  return `Linear probes of ${source}${step === undefined ? "" : ` at step ${step}`}: average-pooled tokens after a block, batch normalization without parameters, one linear layer; ${epochs} epochs in batches of ${batchSize}, Adam with a cosine from ${learningRate} to 0. ${trainCount} training and ${testCount} test images of ${data} in ${classes} classes. ${made}`;
}

function csvOf(file: ProbeFile | NormsFile): string {
  if (file.format === "ditlab-probe/1")
    return csvLines([
      ["weights", "time", "block", "accuracy"],
      ...file.probes.map(({ weights, time, block, accuracy }) => [weights, time, block, accuracy]),
    ]);
  return csvLines([
    ["step", "weights", "time", "block", "mean", "deviation", "largest"],
    ...file.norms.map(({ step, weights, time, block, mean, deviation, largest }) => [
      ...[step, weights, time, block],
      ...[mean, deviation, largest],
    ]),
  ]);
}

const NAMES = { "ditlab-probe/1": "probe", "ditlab-norms/1": "norms" } as const;
const ENDINGS = ["json", "md", "csv"];

/** Claims the folder of results, before anything is computed for it. */
export const claimResults = (folder: string): Promise<unknown> =>
  claimFolder(folder, {
    kind: "folder of probes",
    identity: {},
    makes: [
      ...Object.values(NAMES).flatMap((name) => ENDINGS.map((ending) => `${name}.${ending}`)),
      ...PICTURE_FILES,
    ],
  });

/** Writes `probe` or `norms` as JSON, Markdown and CSV. */
export async function writeResults(folder: string, file: ProbeFile | NormsFile): Promise<void> {
  const tables = tablesOf(file).map(({ title, head, rows }) => `## ${title}\n\n${markdownTable(head, rows)}`);
  const title = file.format === "ditlab-probe/1" ? "Linear probes" : "Norms of features";
  const texts = {
    json: `${JSON.stringify(file, null, 2)}\n`,
    md: `# ${title}\n\n${[about(file), ...tables].join("\n\n")}\n`,
    csv: csvOf(file),
  };
  for (const [ending, text] of Object.entries(texts))
    await writeAtomic(join(folder, `${NAMES[file.format]}.${ending}`), text);
}
