/** The least that trains and is measured, for the tests of comparisons. */
import type { Test } from "uvu";
import type { Dataset, ImageSet } from "../../lib/data/index.ts";
import {
  type Arm,
  type ComparisonOptions,
  type Results,
  runComparison,
  SCALES,
  type Scale,
} from "../../lib/experiments/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";

/** Noise, brighter where the class is 1. */
function images(count: number, seed: number): ImageSet {
  const random = randomGenerator(seed);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  const pixels = Uint8Array.from(
    { length: count * 64 },
    (_, i) => random.integer(120) + 120 * labels[Math.floor(i / 64)],
  );
  return { images: pixels, labels, count, height: 8, width: 8, channels: 1 };
}

export const dataset: Dataset = {
  name: "mnist",
  classes: ["a", "b"],
  train: images(300, 1),
  test: images(80, 2),
};

export const scale: Scale = {
  ...SCALES.tiny,
  seeds: [0, 1],
  hiddenSize: 8,
  depth: 2,
  steps: 2,
  batchSize: 4,
  align: [1, 2],
  evaluations: 1,
  generated: 20,
  samplerSteps: 2,
  reference: 80,
  probeTrain: 40,
  probeTest: 40,
};

const quiet = { begin() {}, update() {}, end() {}, note() {} };

export const run = (
  folder: string,
  arms: readonly Arm[],
  others: Partial<ComparisonOptions> = {},
): Promise<Results | undefined> =>
  runComparison({ folder, dataset, arms, scaleName: "least", scale, reporter: quiet, ...others });

/** Keeps what a suite caches away from what is cached. */
export function ownHome(suite: Test): void {
  const previous = process.env.DITLAB_HOME;
  suite.before(async () => {
    process.env.DITLAB_HOME = await temporaryFolder();
  });
  suite.after(() => {
    if (previous === undefined) delete process.env.DITLAB_HOME;
    else process.env.DITLAB_HOME = previous;
  });
}
