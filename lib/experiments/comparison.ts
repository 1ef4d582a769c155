/** A comparison end to end: any number of arms, each trained with the same seeds, sampled, measured and reported. */
import { join } from "node:path";
import { imageSetFingerprint } from "../data/identity.ts";
import type { Dataset } from "../data/index.ts";
import { claimFolder, type Manifest, reidentify, removeMade } from "../io/folders.ts";
import { writeAtomic } from "../io/index.ts";
import { packageVersion } from "../package.ts";
import type { TrainConfig } from "../train/index.ts";
import { ARM_FILES, add, readJson, runArm } from "./arm-run.ts";
import { machine, settings } from "./describe.ts";
import {
  disposeEvaluator,
  type Evaluator,
  evaluatorOfModel,
  makeEvaluator,
  metricsOfRealImages,
  writeRealGrid,
} from "./evaluator.ts";
import type { Scale } from "./presets.ts";
import type { Reporter } from "./reporter.ts";
import type { ProbeBlock, Results, RunResult } from "./results.ts";

/** One of the things that are compared. */
export interface Arm {
  /** Begins the names of its runs' folders, `<name>-seed<seed>`: letters, digits, `-` and `_`. */
  readonly name: string;
  /** As shown beside a plot. */
  readonly label: string;
  /** Inside a sentence, for example `the baseline`. Default: the label. */
  readonly phrase?: string;
  /** Its training with one seed. */
  config(seed: number): TrainConfig;
}

export interface ComparisonOptions {
  folder: string;
  dataset: Dataset;
  /** One or more; the first is what each other one is set against first. */
  arms: readonly Arm[];
  /** Blocks whose probe accuracy is compared by itself. */
  probeBlocks?: readonly ProbeBlock[];
  scaleName: string;
  /** The seeds, and how every arm is evaluated; what a network of this scale looks like is the arms' matter. */
  scale: Scale;
  /** Go on with what an interrupted comparison left; otherwise what an earlier one made is removed first. */
  resume?: boolean;
  signal?: AbortSignal;
  reporter: Reporter;
}

const ARM_NAME = /^[a-z0-9][a-z0-9_-]*$/i;

/** @throws naming an arm whose folders could be another's, or lie elsewhere. */
function checkArms(arms: readonly Arm[]): void {
  if (arms.length === 0) throw new Error("a comparison needs one arm or more, got none");
  // Some file systems do not tell capital letters from small ones.
  const names = arms.map(({ name }) => name.toLowerCase());
  for (const [i, { name }] of arms.entries())
    if (!ARM_NAME.test(name) || names.indexOf(names[i]) !== i)
      throw new Error(
        `an arm's name begins its folders' names: expected letters, digits, - and _, and no name twice, got ${JSON.stringify(name)}`,
      );
}

const runName = ({ name }: Arm, seed: number | "*"): string => `${name}-seed${seed}`;

/** Every file that a comparison makes. */
const filesOf = (arms: readonly Arm[]): string[] => [
  "results.json",
  "report.html",
  "timing.json",
  "real.png",
  ...arms.flatMap((arm) => ARM_FILES.map((file) => `${runName(arm, "*")}/${file}`)),
];

/** What decides a comparison's results. */
function identityOf({ dataset, scaleName, scale, arms }: ComparisonOptions): Record<string, string> {
  const { about, ...settings } = scale;
  return {
    dataset: dataset.name,
    images: [dataset.train, dataset.test].map(imageSetFingerprint).join(" "),
    scale: scaleName,
    settings: JSON.stringify(settings),
    arms: JSON.stringify(arms.map((arm) => [arm.name, arm.config(scale.seeds[0])])),
  };
}

/** Claims the folder. @throws where it holds anything else, or, to be gone on with, another comparison. */
async function claim(options: ComparisonOptions): Promise<void> {
  const { folder, resume } = options;
  const manifest: Manifest = {
    kind: "comparison",
    identity: identityOf(options),
    makes: filesOf(options.arms),
  };
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

/** What the evaluator knows, and what the options say, as the report shows it. */
async function resultsOf(
  options: ComparisonOptions,
  evaluator: Evaluator,
  runs: readonly RunResult[][],
  seconds: Record<string, number>,
): Promise<Results> {
  const { arms, dataset, scale, scaleName, probeBlocks } = options;
  const { name, accuracy, featureSize, parameters } = evaluator.network;
  return {
    format: "ditlab-results/2",
    version: packageVersion,
    createdAt: new Date().toISOString(),
    dataset: dataset.name,
    scale: scaleName,
    seeds: [...scale.seeds],
    arms: arms.map(({ name, label, phrase = label }, i) => ({ name, label, phrase, runs: runs[i] })),
    ...(probeBlocks && { probeBlocks: [...probeBlocks] }),
    realImages: await metricsOfRealImages(evaluator),
    realSamples: "real.png",
    sampleCounts: {
      generated: scale.generated,
      reference: evaluator.reference.features.count,
      probeTrain: scale.probeTrain,
      probeTest: scale.probeTest,
    },
    featureNetwork: { name, accuracy, featureSize, parameters },
    settings: settings(
      arms.map(({ label, config }) => ({ label, config: config(scale.seeds[0]) })),
      scale,
    ),
    machine: machine(),
    seconds,
  };
}

/**
 * Runs the comparison and writes `results.json` into the folder. The seeds are gone through one after another, each with
 * every arm, so that what is there after an interruption can be compared.
 * Returns undefined when the signal stopped it; run again with `resume` to go on.
 */
export async function runComparison(options: ComparisonOptions): Promise<Results | undefined> {
  const { folder, dataset, arms, scale, resume, signal, reporter } = options;
  checkArms(arms);
  const started = performance.now();
  await claim(options);
  // Time by phase, over all the processes that an interrupted comparison took.
  const timingPath = join(folder, "timing.json");
  const seconds = await readJson<Record<string, number>>(timingPath, {});
  const before = seconds.total ?? 0;
  const saveTiming = (): Promise<void> => {
    seconds.total = before + (performance.now() - started) / 1000;
    return writeAtomic(timingPath, JSON.stringify(seconds));
  };
  const evaluator = await makeEvaluator(dataset, scale, reporter);
  add(seconds, "feature network", performance.now() - started);

  const runs = arms.map((): RunResult[] => []);
  const { evaluations } = scale;
  for (const seed of scale.seeds)
    for (const [i, arm] of arms.entries()) {
      const config = arm.config(seed);
      const name = runName(arm, seed);
      const run = await runArm(
        { folder, name, config, dataset, evaluations, resume, signal, reporter },
        evaluatorOfModel(evaluator, config),
        seconds,
      );
      await saveTiming();
      if (!run || signal?.aborted) return undefined;
      runs[i].push(run);
    }
  await disposeEvaluator(evaluator);
  await writeRealGrid(join(folder, "real.png"), dataset);
  await saveTiming();
  const results = await resultsOf(options, evaluator, runs, seconds);
  await writeAtomic(join(folder, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  return results;
}
