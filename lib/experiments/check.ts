/** What a comparison asks for, checked as a whole: all that can be refused is refused before anything is trained. */
import { join } from "node:path";
import { asTrainingData, type Dataset, type ImageSet } from "../data/index.ts";
import { makeNetwork } from "../models/index.ts";
import { currentConfig, type TrainConfig, training } from "../train/index.ts";
import { checkEvaluation } from "./evaluator.ts";
import type { Arm, ComparisonOptions } from "./options.ts";
import type { Scale } from "./presets.ts";
import type { ProbeBlock } from "./results.ts";

/** An arm as it is trained. */
export interface PlannedArm extends Required<Omit<Arm, "config">> {
  /** Of each seed, in the scale's order. */
  readonly configs: readonly TrainConfig[];
}

const ARM_NAME = /^[a-z0-9][a-z0-9_-]*$/i;

/** @throws naming an arm whose folders could be another's, or lie elsewhere. */
function checkNames(arms: readonly Arm[]): void {
  if (arms.length === 0) throw new Error("a comparison needs one arm or more, got none");
  // Some file systems do not tell capital letters from small ones.
  const names = arms.map(({ name }) => name.toLowerCase());
  for (const [i, { name }] of arms.entries())
    if (!ARM_NAME.test(name) || names.indexOf(names[i]) !== i)
      throw new Error(
        `an arm's name begins its folders' names: expected letters, digits, - and _, and no name twice, got ${JSON.stringify(name)}`,
      );
}

/** @throws naming two arms that a reader could not tell apart. */
function checkTexts(arms: readonly Arm[]): void {
  for (const kind of ["label", "phrase"] as const) {
    const texts = arms.map((arm) => arm[kind] ?? arm.label);
    for (const [i, text] of texts.entries()) {
      if (text.trim() === "")
        throw new Error(
          `the arm '${arms[i].name}' has the ${kind} ${JSON.stringify(text)}; expected some text, to tell it from others by`,
        );
      const first = texts.indexOf(text);
      if (first !== i)
        throw new Error(
          `the arms '${arms[first].name}' and '${arms[i].name}' have the ${kind} ${JSON.stringify(text)}; expected one for each, to tell them apart by`,
        );
    }
  }
}

const areDifferent = (values: readonly number[]): boolean => new Set(values).size === values.length;

/** @throws naming the number of a scale that its data do not allow. */
function checkScale(scale: Scale, { train, test }: Dataset): void {
  const { seeds, probeTimesteps } = scale;
  if (seeds.length === 0 || !areDifferent(seeds) || !seeds.every(Number.isSafeInteger))
    throw new Error(`scale.seeds must be different integers, one or more, got ${JSON.stringify(seeds)}`);
  // Precision and recall look at three neighbours of each image.
  checkCount(scale, "reference", 4);
  // Real test images are measured, too, as many as are generated.
  checkCount(scale, "generated", 4, test.count, "test images");
  checkCount(scale, "probeTrain", 1, train.count, "training images");
  checkCount(scale, "probeTest", 1, test.count, "test images");
  if (!areDifferent(probeTimesteps) || !probeTimesteps.every((t) => t >= 0 && t <= 1))
    throw new Error(
      `scale.probeTimesteps must be different levels from 0 to 1, got ${JSON.stringify(probeTimesteps)}`,
    );
}

function checkCount(
  scale: Scale,
  field: "evaluations" | "generated" | "reference" | "probeTrain" | "probeTest",
  least: number,
  most = Number.POSITIVE_INFINITY,
  what = "",
): void {
  const count = scale[field];
  if (Number.isInteger(count) && count >= least && count <= most) return;
  const range =
    most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to the ${most} ${what}`;
  throw new RangeError(`scale.${field} must be an integer ${range}, got ${count}`);
}

const shapeOf = ({ channels, height, width }: ImageSet): string => `${channels}x${height}x${width}`;

/** @throws where a data set's halves do not belong together. */
function checkDataset({ train, test, classes }: Dataset): void {
  if (shapeOf(test) !== shapeOf(train))
    throw new Error(
      `the data set's test images are ${shapeOf(test)}, expected the training images' ${shapeOf(train)}`,
    );
  for (const [kind, set] of Object.entries({ training: train, test })) {
    const { classes: labels } = asTrainingData(set);
    if (labels > classes.length)
      throw new Error(
        `the labels of the data set's ${kind} images go up to ${labels - 1}, expected at most ${classes.length - 1}, of its ${classes.length} classes`,
      );
  }
}

/** The configs of an arm. @throws where they are not one training with several seeds. */
function configsOf(arm: Arm, seeds: readonly number[]): TrainConfig[] {
  const configs = seeds.map((seed) => currentConfig(arm.config(seed)) as TrainConfig);
  const [first] = configs;
  for (const [i, config] of configs.entries()) {
    if (config.seed !== seeds[i])
      throw new Error(
        `the arm '${arm.name}' has a config of seed ${config.seed} for seed ${seeds[i]}; expected one of the seed that it is given`,
      );
    const shown = (field: string, { [field]: value }: Record<string, unknown>): string =>
      JSON.stringify(value) ?? "none";
    const other = Object.keys({ ...first, ...config }).find(
      (field) => field !== "seed" && shown(field, { ...first }) !== shown(field, { ...config }),
    );
    if (other !== undefined)
      throw new Error(
        `the arm '${arm.name}' has ${other} ${shown(other, { ...config })} with seed ${seeds[i]}, and ${shown(other, { ...first })} with seed ${seeds[0]}; expected configs that differ in their seed alone`,
      );
  }
  return configs;
}

/** @throws naming an arm that is compared at other steps than the first one. */
function checkSteps([first, ...others]: readonly PlannedArm[]): void {
  const [{ steps }] = first.configs;
  for (const { name, configs } of others)
    if (configs[0].steps !== steps)
      throw new Error(
        `the arm '${name}' trains for ${configs[0].steps} steps and the arm '${first.name}' for ${steps}; expected as many in every arm, because they are compared after the same steps`,
      );
}

/** @throws naming a probed block that an arm lacks: its measure would have no value. */
function checkBlocks(blocks: readonly ProbeBlock[], arms: readonly PlannedArm[]): void {
  for (const [i, { block }] of blocks.entries()) {
    for (const { name, configs } of arms) {
      const { depth } = configs[0].model;
      if (!Number.isInteger(block) || block < 1 || block > depth)
        throw new RangeError(
          `the probed block ${block} is none of the arm '${name}'; expected a block from 1 to its depth ${depth}`,
        );
    }
    if (blocks.findIndex((other) => other.block === block) !== i)
      throw new Error(`the probed block ${block} is named twice; expected each once`);
  }
}

/** @throws what training an arm, or evaluating it, would. */
function checkArm({ name, configs }: PlannedArm, { folder, dataset, scale }: ComparisonOptions): void {
  const known = dataset.classes.length;
  const data = asTrainingData(dataset.train);
  try {
    // Nothing of a training begins before its first step is asked for; what it would refuse it refuses at once.
    for (const config of configs) training(config, data, { folder: join(folder, name) });
    const [config] = configs;
    const { classes } = makeNetwork(config.model);
    if (classes > 0 && classes < known)
      throw new Error(`its model knows ${classes} classes; expected 0, or the data set's ${known}`);
    checkEvaluation(scale, dataset, config);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`the arm '${name}': ${message}`, { cause: error });
  }
}

/** The arms as they are to be trained. @throws one sentence on what could not be trained, measured or compared. */
export function planComparison(options: ComparisonOptions): PlannedArm[] {
  const { arms, dataset, scale, probeBlocks = [] } = options;
  checkNames(arms);
  checkTexts(arms);
  checkDataset(dataset);
  checkScale(scale, dataset);
  const planned = arms.map((arm): PlannedArm => {
    const { name, label, phrase = label } = arm;
    return { name, label, phrase, configs: configsOf(arm, scale.seeds) };
  });
  for (const arm of planned) checkArm(arm, options);
  checkSteps(planned);
  checkCount(scale, "evaluations", 1, planned[0].configs[0].steps, "training steps");
  checkBlocks(probeBlocks, planned);
  return planned;
}
