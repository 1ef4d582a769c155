/** The SRA comparison end to end: the same small SiT trained without and with SRA, sampled, measured and reported. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { imageSetFingerprint } from "../data/identity.ts";
import type { Dataset } from "../data/index.ts";
import { claimFolder, type Manifest, reidentify, removeMade } from "../io/folders.ts";
import { appendJsonLine, readJsonLines, truncateJsonLines, writeAtomic } from "../io/index.ts";
import { packageVersion } from "../package.ts";
import { type LogEntry, listCheckpoints, type TrainConfig, train } from "../train/index.ts";
import { RUN_FILES } from "../train/run-folder.ts";
import { machine, settings } from "./describe.ts";
import {
  type Evaluator,
  makeEvaluator,
  metricsOf,
  metricsOfRealImages,
  probeOf,
  samplesOf,
  writeGrid,
  writeRealGrid,
} from "./evaluator.ts";
import { type Scale, scaleConfig, scaleSRA } from "./presets.ts";
import type { Reporter } from "./reporter.ts";
import type { ArmName, ArmResult, Evaluation, Results, RunResult } from "./results.ts";

export interface DemoOptions {
  folder: string;
  dataset: Dataset;
  scaleName: string;
  scale: Scale;
  /** Go on with what an interrupted comparison left; otherwise what an earlier one made is removed first. */
  resume?: boolean;
  signal?: AbortSignal;
  reporter: Reporter;
}

const ARMS: readonly ArmName[] = ["baseline", "sra"];

/** Of an arm's folder: what training writes there, and what is measured. */
const ARM_FILES = [...RUN_FILES, "evaluations.jsonl", "result.json", "samples.png"];
const DEMO_FILES = [
  "results.json",
  "report.html",
  "timing.json",
  "real.png",
  ...ARMS.flatMap((arm) => ARM_FILES.map((file) => `${arm}-seed*/${file}`)),
];

/** What decides a comparison's results. */
function identityOf({ dataset, scaleName, scale }: DemoOptions): Record<string, string> {
  const { about, ...settings } = scale;
  return {
    dataset: dataset.name,
    images: [dataset.train, dataset.test].map(imageSetFingerprint).join(" "),
    scale: scaleName,
    settings: JSON.stringify(settings),
  };
}

/** Claims the folder. @throws where it holds anything else, or, to be gone on with, another comparison. */
async function claimDemo(options: DemoOptions): Promise<void> {
  const { folder, resume } = options;
  const manifest: Manifest = { kind: "comparison", identity: identityOf(options), makes: DEMO_FILES };
  const found = await claimFolder(folder, manifest);
  if (!found) return;
  if (!resume) {
    await removeMade(folder, found);
    await reidentify(folder, manifest.identity);
    return;
  }
  for (const [name, value] of Object.entries(manifest.identity))
    if (found.identity[name] !== value)
      throw new Error(
        `cannot go on with the comparison in ${folder}: its ${name} was ${found.identity[name]}, got ${value}; expected the same, or another folder`,
      );
}

const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Trains and evaluates one run. Returns undefined when the signal stopped it. */
async function runArm(
  options: DemoOptions,
  evaluator: Evaluator,
  config: TrainConfig,
  name: string,
  seconds: Record<string, number>,
): Promise<RunResult | undefined> {
  const { folder, dataset, scale, signal, reporter } = options;
  const runFolder = join(folder, name);
  const evaluationsPath = join(runFolder, "evaluations.jsonl");
  const donePath = join(runFolder, "result.json");
  if (options.resume && (await exists(donePath))) return readJson<RunResult | undefined>(donePath, undefined);
  const resume = options.resume && (await listCheckpoints(join(runFolder, "checkpoints"))).length > 0;
  const evaluateAt = indices(scale.evaluations).map((i) =>
    Math.round(((i + 1) * config.steps) / scale.evaluations),
  );
  const samples = join(name, "samples.png");
  let begun = false;
  const result = await train(config, {
    folder: runFolder,
    images: dataset.train,
    resume,
    signal,
    onWarning: reporter.note,
    evaluateAt,
    onProgress: ({ step, steps, metrics, stepsPerSecond, secondsLeft }) => {
      if (!begun) reporter.begin(`${name}: training`, steps);
      begun = true;
      const align = metrics.sra === undefined ? "" : ` align ${metrics.sra.toFixed(4)}`;
      reporter.update(
        step,
        `loss ${metrics.generative.toFixed(4)}${align}  ${stepsPerSecond.toFixed(1)} steps/s  ${Math.round(secondsLeft)} s left`,
      );
    },
    onEvaluate: async ({ ema }, step) => {
      if (begun) reporter.end();
      begun = false;
      const start = performance.now();
      const images = await samplesOf(evaluator, ema, `${name}: samples at step ${step}`);
      const metrics = await metricsOf(evaluator, images);
      await writeGrid(evaluator, ema, join(folder, samples));
      const sampled = performance.now();
      const probe = await probeOf(evaluator, ema, `${name}: probe at step ${step}`);
      // A run killed between an evaluation and its next checkpoint makes it again: the later line counts.
      await truncateJsonLines<Evaluation>(evaluationsPath, (entry) => entry.step < step);
      await appendJsonLine(evaluationsPath, { step, metrics, probe });
      add(seconds, "sampling and metrics", sampled - start);
      add(seconds, "linear probes", performance.now() - sampled);
    },
  });
  if (begun) reporter.end();
  add(seconds, "training", result.trainSeconds * 1000);
  if (result.step < config.steps) return undefined;
  const log = await readJsonLines<LogEntry>(join(runFolder, "metrics.jsonl"));
  const run: RunResult = {
    seed: config.seed,
    curve: {
      step: log.map((entry) => entry.step),
      generative: log.map((entry) => entry.generative),
      align: config.methods.length > 0 ? log.map((entry) => entry.sra) : [],
    },
    evaluations: await readJsonLines<Evaluation>(evaluationsPath),
    samples,
    trainSeconds: result.trainSeconds,
    stepSeconds: result.stepSeconds,
  };
  await writeAtomic(donePath, `${JSON.stringify(run)}\n`);
  return run;
}

const add = (seconds: Record<string, number>, phase: string, milliseconds: number): void => {
  seconds[phase] = (seconds[phase] ?? 0) + milliseconds / 1000;
};

const readJson = async <T>(path: string, otherwise: T): Promise<T> =>
  (await exists(path)) ? JSON.parse(await readFile(path, "utf8")) : otherwise;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Runs the comparison and writes `results.json` into the folder.
 * Returns undefined when the signal stopped it; run again with `resume` to go on.
 */
export async function runDemo(options: DemoOptions): Promise<Results | undefined> {
  const { folder, dataset, scale, scaleName, signal } = options;
  const started = performance.now();
  await claimDemo(options);
  // Time by phase, over all the processes that an interrupted comparison took.
  const timingPath = join(folder, "timing.json");
  const seconds = await readJson<Record<string, number>>(timingPath, {});
  const before = seconds.total ?? 0;
  const saveTiming = (): Promise<void> => {
    seconds.total = before + (performance.now() - started) / 1000;
    return writeAtomic(timingPath, JSON.stringify(seconds));
  };
  const evaluator = await makeEvaluator(dataset, scale, options.reporter);
  add(seconds, "feature network", performance.now() - started);

  const runs: Record<ArmName, RunResult[]> = { baseline: [], sra: [] };
  for (const seed of scale.seeds) {
    for (const arm of ARMS) {
      const run = await runArm(
        options,
        evaluator,
        scaleConfig(scale, dataset, arm === "sra" ? [scaleSRA(scale)] : [], seed),
        `${arm}-seed${seed}`,
        seconds,
      );
      await saveTiming();
      if (!run || signal?.aborted) return undefined;
      runs[arm].push(run);
    }
  }
  await Promise.all([evaluator.generator.dispose(), evaluator.extractor.dispose()]);
  const { network, reference } = evaluator;
  await writeRealGrid(join(folder, "real.png"), dataset);

  await saveTiming();
  const config = scaleConfig(scale, dataset, [scaleSRA(scale)], 0);
  const [studentBlock, teacherBlock] = scale.align;
  const label: Record<ArmName, string> = {
    baseline: "SiT",
    sra: `SiT + SRA (block ${studentBlock} to ${teacherBlock})`,
  };
  const results: Results = {
    format: "ditlab-results/1",
    version: packageVersion,
    createdAt: new Date().toISOString(),
    dataset: dataset.name,
    scale: scaleName,
    seeds: [...scale.seeds],
    arms: ARMS.map((arm): ArmResult => ({ arm, label: label[arm], runs: runs[arm] })),
    align: { studentBlock, teacherBlock },
    realImages: await metricsOfRealImages(evaluator),
    realSamples: "real.png",
    sampleCounts: {
      generated: scale.generated,
      reference: reference.features.count,
      probeTrain: scale.probeTrain,
      probeTest: scale.probeTest,
    },
    featureNetwork: {
      name: network.name,
      accuracy: network.accuracy,
      featureSize: network.featureSize,
      parameters: network.parameters,
    },
    settings: settings(config, scale),
    machine: machine(),
    seconds,
  };
  await writeAtomic(join(folder, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  return results;
}
