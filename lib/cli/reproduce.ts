/** `ditlab reproduce`: the paper's tables and figures, planned, run and written down. */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, Option } from "commander";
import { type Dataset, type DatasetName, datasetNames, loadDataset } from "../data/index.ts";
import { captionedDataset } from "../experiments/captioned.ts";
import { formatGigabytes, formatSeconds } from "../experiments/report/text.ts";
import { allExperiments, experimentsNamed, withRows } from "../reproduce/catalogue.ts";
import type { Experiment } from "../reproduce/experiment.ts";
import { fullPlan, writeFullPlan } from "../reproduce/full-scale.ts";
import { planReproduction, type ReproductionPlan, trainedShape } from "../reproduce/plan.ts";
import { distributeRuns } from "../reproduce/queued-runs.ts";
import { type Reproduction, reproduce } from "../reproduce/reproduce.ts";
import {
  captionedScale,
  PAPER_SIZES,
  type ReproduceScaleName,
  SCALE_NAMES,
  SMALL_SCALES,
  type SmallScale,
} from "../reproduce/scales.ts";
import { EXIT, stopSignal } from "./exit.ts";
import {
  dataFolderOption,
  integer,
  jsonOption,
  positiveInteger,
  queueOption,
  queueUrl,
  withDevice,
} from "./options.ts";
import { progressReporter } from "./progress.ts";
import { type ReleasedOptions, reproduceReleased } from "./reproduce-released.ts";

interface Options extends ReleasedOptions {
  rows?: string;
  scale: ReproduceScaleName;
  seeds?: number;
  dataset?: DatasetName;
  data?: string;
  out: string;
  queue?: string | true;
  dryRun?: boolean;
  list?: boolean;
  json?: boolean;
}

const scaleHelp = [
  ...Object.entries(SMALL_SCALES).map(([name, { about }]) => [name, about]),
  ["paper", "ImageNet on GPUs: writes the configs and the commands, and trains nothing"],
]
  .map(([name, about]) => `  ${name.padEnd(8)} ${about}`)
  .join("\n");

const print = (text: string): void => void process.stdout.write(text);

/** Every experiment and its rows. */
function list(experiments: readonly Experiment[]): string {
  return experiments
    .map(({ id, title, rows, released = [], pictures = [] }) => {
      const lines = [...rows, ...pictures, ...released].map((row) => `    ${row.id.padEnd(24)}${row.label}`);
      return `${id}  ${title}\n${lines.join("\n")}\n`;
    })
    .join("\n");
}

function chosen(names: readonly string[], { rows, scale }: Options): Experiment[] {
  const sizes = scale === "paper" ? PAPER_SIZES : SMALL_SCALES[scale];
  const wanted = names.flatMap((name) => {
    const found = experimentsNamed(name, sizes);
    const trained =
      scale === "paper"
        ? found
        : found.filter(({ rows, pictures = [] }) => rows.length + pictures.length > 0);
    if (trained.length === 0)
      throw new Error(`${name} is of weights that the authors released; expected --scale paper`);
    return trained;
  });
  const experiments = wanted.filter(({ id }, i) => wanted.findIndex((other) => other.id === id) === i);
  if (rows === undefined) return experiments;
  const ids = rows.split(",").map((id) => id.trim());
  if (experiments.length !== 1)
    throw new Error(`--rows are of one experiment, got ${experiments.map(({ id }) => id).join(", ")}`);
  return [withRows(experiments[0], ids)];
}

function planText({ runs, stepsLeft, secondsLeft, memory, disk }: ReproductionPlan): string {
  const done = runs.filter(({ isComplete }) => isComplete).length;
  const rows = [
    ["runs", `${runs.length}, of which ${done} are done`],
    ["training steps left", stepsLeft.toLocaleString("en")],
    ["time left", `about ${formatSeconds(secondsLeft)}, from a step that was measured`],
    ["memory", `about ${formatGigabytes(memory)} for the largest step`],
    ["disk", formatGigabytes(disk)],
  ];
  const lines = runs.map(({ folder, isComplete, done, config, rows }) => {
    const state = isComplete ? "done" : done > 0 ? `${done} of ${config.steps} steps` : "to do";
    return `  ${folder.padEnd(36)}${state.padEnd(22)}${rows.join(", ")}`;
  });
  return `${lines.join("\n")}\n\n${rows.map(([name, value]) => `${name.padEnd(22)}${value}`).join("\n")}\n`;
}

/** The claims, and where the pages lie. */
function summary(results: readonly Reproduction[], folder: string): string {
  return results
    .map(({ experiment, title, claims }) => {
      const lines = claims.map(({ about, tau, interval, verdict }) => {
        const range = interval ? ` (${interval.map((end) => end.toFixed(2)).join(" to ")})` : "";
        return `  ${about}: tau ${tau.toFixed(2)}${range}, ${verdict}`;
      });
      const page = pathToFileURL(resolve(join(folder, `${experiment}.html`)));
      return [title, ...lines, `  ${page}`].join("\n");
    })
    .join("\n\n");
}

/** Options of which one asks for released weights to be measured here. */
const RELEASED = {
  checkpoint: "--checkpoint",
  reference: "--reference",
  model: "--model",
  vae: "--vae",
  count: "--count",
  samplerSteps: "--sampler-steps",
  inception: "--inception",
} as const satisfies Record<keyof ReleasedOptions, string>;

/** Values beside the paper's, and where the page lies. */
function releasedText({ title, experiment, columns, rows }: Reproduction, folder: string): string {
  const values = rows.flatMap(({ cells }) =>
    cells.map(({ column, mean, paper }) => {
      const { label, digits } = columns.find(({ id }) => id === column)!;
      const beside = paper === undefined ? "" : `   paper ${paper.toFixed(digits)}`;
      return `  ${label.padEnd(12)}${mean.toFixed(digits).padStart(10)}${beside}`;
    }),
  );
  return [title, ...values, `  ${pathToFileURL(resolve(join(folder, `${experiment}.html`)))}`].join("\n");
}

export const reproduceCommand = (): Command =>
  withDevice(new Command("reproduce"))
    .description(
      "the paper's tables and figures as experiments: planned, run, resumed, and written beside the paper's values",
    )
    .argument("[experiments...]", "table1, table6, figure2, ..., or all; several share their runs")
    .option("--rows <ids>", "rows of one experiment, with commas between them (default: all)")
    .addOption(new Option("--scale <name>", "size of the runs").choices([...SCALE_NAMES]).default("tiny"))
    .option("--seeds <number>", "how many seeds (default: the scale's)", integer)
    .addOption(new Option("--dataset <name>", "data set (default: the scale's)").choices(datasetNames))
    .addOption(dataFolderOption())
    .option(
      "--out <folder>",
      "where runs and tables go, in a folder for each scale and data set",
      "runs/reproduce",
    )
    .option(
      "--checkpoint <file>",
      "released weights of table3 or table4, sampled and measured here (--scale paper)",
    )
    .option("--reference <file>", "the reference batch that images of released weights are measured against")
    .option("--model <name>", "model of --checkpoint, or a .json file with its config (default: SiT-XL/2)")
    .option("--vae <folder>", "what decodes them, files or a published name (default: sd-vae-ft-ema)")
    .option("--count <number>", "images of released weights (default: 50000)", positiveInteger)
    .option("--sampler-steps <number>", "steps of their sampler (default: 250)", positiveInteger)
    .option("--inception <file>", "the FID network's weights (default: inception-2015)")
    .addOption(queueOption("have the runs made by the workers of a queue"))
    .option("--dry-run", "say what is left to do and what it will take, and train nothing")
    .option("--list", "say which experiments and rows there are")
    .addOption(jsonOption())
    .addHelpText("after", `\nScales:\n${scaleHelp}`)
    .action(async (names: string[], options: Options) => {
      const { scale: scaleName } = options;
      if (options.list) {
        const experiments = names.length > 0 ? chosen(names, options) : allExperiments(PAPER_SIZES);
        return print(options.json ? `${JSON.stringify(experiments, null, 2)}\n` : list(experiments));
      }
      if (names.length === 0) throw new Error("which experiment? 'ditlab reproduce --list' names all");
      const experiments = chosen(names, options);
      const measured = Object.entries(RELEASED)
        .map(([name, flag]) => [flag, options[name as keyof ReleasedOptions]] as const)
        .filter(([, value]) => value !== undefined);
      if (measured.length > 0 && scaleName !== "paper")
        throw new Error(`${measured[0][0]} is of weights that the authors released; expected --scale paper`);
      if (measured.length > 0 && !options.dryRun) {
        const folder = join(options.out, "released");
        const command = ["ditlab reproduce", ...names, "--scale paper", ...measured.flat()].join(" ");
        const result = await reproduceReleased(experiments, options, { folder, command });
        const shown = options.json ? JSON.stringify(result, null, 2) : releasedText(result, folder);
        return print(`${shown}\n`);
      }
      if (scaleName === "paper") {
        if (options.queue) throw new Error("--queue is of runs that are made here, got --scale paper");
        const plan = fullPlan(experiments, options.seeds ?? 1);
        if (options.json) return print(`${JSON.stringify(plan, null, 2)}\n`);
        const file = options.dryRun ? undefined : await writeFullPlan(join(options.out, "paper"), plan);
        return print(`${plan.commands.join("\n")}\n${file ? `\n${file} holds them.\n` : ""}`);
      }
      const seeds = seedsOf(SMALL_SCALES[scaleName].seeds, options.seeds);
      const parts = await partsOf(experiments, scaleName, options);
      if (options.dryRun) {
        const plans: ReproductionPlan[] = [];
        for (const { dataset, ...part } of parts)
          plans.push(await planReproduction({ ...part, seeds, images: trainedShape(dataset) }));
        const plan = together(plans);
        return print(options.json ? `${JSON.stringify(plan, null, 2)}\n` : planText(plan));
      }
      const reporter = progressReporter();
      const signal = stopSignal(() =>
        reporter.note("\nStopping after this step; press Ctrl-C again to stop at once."),
      );
      const rows = options.rows ? ` --rows ${options.rows}` : "";
      const all: Reproduction[] = [];
      for (const part of parts) {
        const ids = part.isWhole ? names : part.experiments.map(({ id }) => id);
        const command = `ditlab reproduce ${ids.join(" ")}${rows} --scale ${scaleName} --seeds ${seeds.length} --dataset ${part.name}`;
        const distribute =
          options.queue &&
          distributeRuns({ ...part, url: queueUrl(options.queue), data: options.data, reporter, signal });
        const results = await reproduce({
          ...{ ...part, scaleName, seeds, signal, reporter, command },
          ...(distribute && { distribute }),
        });
        if (!results) {
          const data = options.data ? ` --data ${options.data}` : "";
          const [state, queue] = options.queue ? ["The jobs stay on the queue", " --queue"] : ["Saved", ""];
          reporter.note(`${state}. Go on with: ${command}${data} --out ${options.out}${queue}`);
          process.exit(EXIT.interrupted);
        }
        all.push(...results);
        if (!options.json) print(`\n${summary(results, part.folder)}\n`);
      }
      if (options.json) print(`${JSON.stringify(all, null, 2)}\n`);
    });

/** Experiments of one data set, and where they lie. */
interface Part {
  readonly experiments: readonly Experiment[];
  readonly dataset: Dataset;
  readonly scale: SmallScale;
  /** What the data set is made of. */
  readonly name: DatasetName;
  readonly folder: string;
  /** Whether it is all that was asked for. */
  readonly isWhole: boolean;
}

/** Experiments by what they are of: images, and pictures with captions. */
async function partsOf(
  experiments: readonly Experiment[],
  scaleName: keyof typeof SMALL_SCALES,
  { dataset, data, out }: Options,
): Promise<Part[]> {
  const parts: Part[] = [];
  for (const isCaptioned of [false, true]) {
    const own = experiments.filter((experiment) => (experiment.isCaptioned ?? false) === isCaptioned);
    if (own.length === 0) continue;
    const whole = SMALL_SCALES[scaleName];
    const scale = isCaptioned ? captionedScale(whole) : whole;
    const name = dataset ?? scale.dataset;
    const loaded = await loadDataset(name, { folder: data });
    const used = isCaptioned ? await captionedDataset(loaded) : loaded;
    parts.push({
      experiments: own,
      dataset: used,
      scale,
      name,
      folder: join(out, `${scaleName}-${used.name}`),
      isWhole: own.length === experiments.length,
    });
  }
  return parts;
}

/** What several plans come to. */
const together = (plans: readonly ReproductionPlan[]): ReproductionPlan => {
  const sum = (name: "stepsLeft" | "secondsLeft" | "disk"): number =>
    plans.reduce((total, plan) => total + plan[name], 0);
  return {
    runs: plans.flatMap(({ runs }) => runs),
    stepsLeft: sum("stepsLeft"),
    secondsLeft: sum("secondsLeft"),
    memory: Math.max(...plans.map(({ memory }) => memory)),
    disk: sum("disk"),
  };
};

/** The first seeds of a scale, and those that follow them. */
function seedsOf(known: readonly number[], count = known.length): number[] {
  if (count < 1) throw new Error(`--seeds must be 1 or more, got ${count}`);
  return Array.from({ length: count }, (_, i) => known[i] ?? known[known.length - 1] + i - known.length + 1);
}
