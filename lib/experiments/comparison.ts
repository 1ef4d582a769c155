/** A comparison end to end: any number of arms, each trained with the same seeds, sampled, measured and reported. */
import { join } from "node:path";
import { imageSetFingerprint } from "../data/identity.ts";
import { checkIdentity, claimFolder, type Manifest, reidentify, removeMade } from "../io/folders.ts";
import { writeAtomic } from "../io/index.ts";
import { packageVersion } from "../package.ts";
import { ARM_FILES, add, runArm } from "./arm-run.ts";
import { type PlannedArm, planComparison } from "./check.ts";
import { machine, settings } from "./describe.ts";
import {
  disposeEvaluator,
  type Evaluator,
  evaluatorOfModel,
  makeEvaluator,
  metricsOfRealImages,
  writeRealGrid,
} from "./evaluator.ts";
import type { ComparisonOptions } from "./options.ts";
import type { Results, RunResult } from "./results.ts";
import { timingOf } from "./timing.ts";

const runName = ({ name }: PlannedArm, seed: number | "*"): string => `${name}-seed${seed}`;

/** Evenly spaced steps, the last of them the end. */
const evenly = (steps: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.round(((i + 1) * steps) / count));

/** Every file that a comparison makes. */
const filesOf = (arms: readonly PlannedArm[]): string[] => [
  "results.json",
  "report.html",
  "timing.json",
  "real.png",
  ...arms.flatMap((arm) => ARM_FILES.map((file) => `${runName(arm, "*")}/${file}`)),
];

/** What decides a comparison's results. */
function identityOf(
  { dataset, scaleName, scale }: ComparisonOptions,
  arms: readonly PlannedArm[],
): Record<string, string> {
  const { about, ...settings } = scale;
  return {
    // The name before what it stands for: it is what a message names first.
    scale: scaleName,
    dataset: dataset.name,
    images: [dataset.train, dataset.test].map(imageSetFingerprint).join(" "),
    settings: JSON.stringify(settings),
    arms: JSON.stringify(arms.map(({ name, configs }) => [name, configs[0]])),
  };
}

/** Claims the folder. @throws where it holds anything else, or, to be gone on with, another comparison. */
async function claim(options: ComparisonOptions, arms: readonly PlannedArm[]): Promise<void> {
  const { folder, resume } = options;
  const manifest: Manifest = {
    kind: "comparison",
    identity: identityOf(options, arms),
    makes: filesOf(arms),
  };
  const found = await claimFolder(folder, manifest);
  if (!found) return;
  if (!resume) {
    await removeMade(folder, found);
    await reidentify(folder, manifest.identity);
    return;
  }
  checkIdentity(found, manifest.identity, `cannot go on with the comparison in ${folder}`);
}

/** What the evaluator knows, and what the options say, as the report shows it. */
async function resultsOf(
  options: ComparisonOptions,
  arms: readonly PlannedArm[],
  evaluator: Evaluator,
  runs: readonly RunResult[][],
  seconds: Record<string, number>,
): Promise<Results> {
  const { dataset, scale, scaleName, probeBlocks } = options;
  const { name, accuracy, featureSize, parameters } = evaluator.network;
  return {
    format: "ditlab-results/2",
    version: packageVersion,
    createdAt: new Date().toISOString(),
    dataset: dataset.name,
    scale: scaleName,
    seeds: [...scale.seeds],
    arms: arms.map(({ name, label, phrase }, i) => ({ name, label, phrase, runs: runs[i] })),
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
      arms.map(({ label, configs: [config] }) => ({ label, config })),
      scale,
    ),
    machine: await machine(),
    seconds,
  };
}

/**
 * Runs the comparison and writes `results.json` into the folder. The seeds are gone through one after another, each with
 * every arm, so that what is there after an interruption can be compared.
 * Returns undefined when the signal stopped it; run again with `resume` to go on.
 * @throws before anything is written or trained, on what could not be trained, measured or compared.
 */
export async function runComparison(options: ComparisonOptions): Promise<Results | undefined> {
  const { folder, dataset, scale, resume, signal, reporter } = options;
  const started = performance.now();
  const arms = planComparison(options);
  await claim(options, arms);
  const { seconds, save: saveTiming } = await timingOf(join(folder, "timing.json"));
  const evaluator = await makeEvaluator(dataset, scale, reporter);
  try {
    add(seconds, "feature network", performance.now() - started);

    const runs = arms.map((): RunResult[] => []);
    const { evaluations } = scale;
    for (const [place, seed] of scale.seeds.entries())
      for (const [i, arm] of arms.entries()) {
        const config = arm.configs[place];
        const name = runName(arm, seed);
        const evaluateAt = evenly(config.steps, evaluations);
        const run = await runArm(
          { folder, name, config, images: dataset.train, evaluateAt, resume, signal, reporter },
          evaluatorOfModel(evaluator, config),
          seconds,
        );
        await saveTiming();
        if (!run || signal?.aborted) return undefined;
        runs[i].push(run);
      }
    await writeRealGrid(join(folder, "real.png"), dataset);
    await saveTiming();
    const results = await resultsOf(options, arms, evaluator, runs, seconds);
    await writeAtomic(join(folder, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
    return results;
  } finally {
    await disposeEvaluator(evaluator);
  }
}
