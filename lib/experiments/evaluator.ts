/** What the comparison measures of a run: samples with their metrics, and linear probes. */
import type { Dataset } from "../data/index.ts";
import { levelAt } from "../diffusion/levels.ts";
import type { ProcessConfig } from "../diffusion/process.ts";
import { type NdArray, ndarray, toUint8Images, writePngGrid } from "../io/index.ts";
import {
  type CaptionAgreement,
  cnnFeatures,
  cnnFeaturesOfSet,
  type Evaluated,
  type SampleMetrics,
  type SmallCnn,
  sampleMetrics,
} from "../metrics/index.ts";
import { makeNetwork, type Network } from "../models/index.ts";
import { type FeatureExtractor, featureExtractor, linearProbe } from "../probe/index.ts";
import {
  checkGenerate,
  type GenerateOptions,
  type SampleGenerator,
  sampleGenerator,
} from "../samplers/index.ts";
import type { Params } from "../tensor/params.ts";
import { disposeTree } from "../tensor/tree.ts";
import { captionCondition } from "../train/caption-condition.ts";
import type { TrainConfig } from "../train/config.ts";
import { isCaptioned } from "./captioned.ts";
import { loadSmallCnn } from "./feature-network.ts";
import type { EvaluationScale } from "./presets.ts";
import type { Reporter } from "./reporter.ts";
import type { ProbeResult } from "./results.ts";

const GRID_IMAGES = 40;
/** Guidance scale of the grids of samples. */
export const GRID_GUIDANCE = 2;
/** Seeds of what all runs share, apart from the training seeds. */
const SAMPLE_SEED = 1234;
const PROBE_SEED = 4321;

const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** What the evaluation of every run needs, made once. */
export interface Evaluator {
  dataset: Dataset;
  scale: EvaluationScale;
  network: SmallCnn;
  reference: Evaluated;
  /** What samples and probes models, by kind of model: arms of the same kind share what is compiled. */
  compiled: Map<string, CompiledModel>;
  reporter: Reporter;
}

interface CompiledModel {
  model: Network;
  process: ProcessConfig;
  generator: SampleGenerator;
  extractor: FeatureExtractor;
}

/** What the evaluation of a run of one kind of model needs. */
export type ModelEvaluator = Evaluator & CompiledModel;

/** The data set's feature network, with progress while it has to be trained. */
export async function loadFeatureNetwork(dataset: Dataset, reporter: Reporter): Promise<SmallCnn> {
  let begun = false;
  const network = await loadSmallCnn(dataset, (done, total) => {
    if (!begun) reporter.begin("feature network", total);
    begun = true;
    reporter.update(done);
  });
  if (begun) reporter.end();
  return network;
}

/** Loads or trains the feature network, and measures the reference images in it. */
export async function makeEvaluator(
  dataset: Dataset,
  scale: EvaluationScale,
  reporter: Reporter,
): Promise<Evaluator> {
  const network = await loadFeatureNetwork(dataset, reporter);
  return {
    dataset,
    scale,
    network,
    reference: await cnnFeaturesOfSet(
      network,
      dataset.train,
      indices(Math.min(scale.reference, dataset.train.count)),
    ),
    compiled: new Map(),
    reporter,
  };
}

/** The evaluator for runs of this kind. */
export function evaluatorOfModel(evaluator: Evaluator, { model, process }: TrainConfig): ModelEvaluator {
  const { compiled } = evaluator;
  const kind = JSON.stringify([model, process]);
  const network = makeNetwork(model);
  const found = compiled.get(kind) ?? {
    model: network,
    process,
    generator: sampleGenerator(network, process),
    extractor: featureExtractor(network, process),
  };
  compiled.set(kind, found);
  return { ...evaluator, ...found };
}

/** Gives back what was compiled, and the feature network. */
export async function disposeEvaluator({ compiled, network }: Evaluator): Promise<void> {
  disposeTree(network.params);
  for (const { generator, extractor } of compiled.values())
    await Promise.all([generator.dispose(), extractor.dispose()]);
}

/** What draws. */
type Drawn = { model: Network; process: ProcessConfig };

/** What the metrics are of: no guidance, every class equally often; of a model without classes so many images. */
const samplerOf = (
  scale: EvaluationScale,
  { classes }: Dataset,
  { model, process }: Drawn,
  count = scale.generated,
): GenerateOptions => ({
  ...(model.classes > 0 ? { labels: indices(count).map((i) => i % classes.length) } : { count }),
  sampler: "euler",
  // A small error of the predicted noise would leave pixels far beyond black and white.
  clip: process.type === "gaussian",
  steps: scale.samplerSteps,
  seed: SAMPLE_SEED,
});

/** What a grid is of: guided away from no class, where there are classes. */
const gridOf = (scale: EvaluationScale, dataset: Dataset, drawn: Drawn): GenerateOptions => ({
  ...samplerOf(scale, dataset, drawn, GRID_IMAGES),
  ...(drawn.model.classes > 0 && { guidance: { scale: GRID_GUIDANCE } }),
});

/** @throws on what would be refused when a model of this kind is evaluated: before it is trained for that. */
export function checkEvaluation(
  scale: EvaluationScale,
  dataset: Dataset,
  { model, process }: Pick<TrainConfig, "model" | "process">,
): void {
  const network = makeNetwork(model);
  for (const options of [samplerOf, gridOf].map((of) => of(scale, dataset, { model: network, process })))
    checkGenerate(network, process, options);
  for (const t of scale.probeTimesteps) levelAt(process, t);
}

/** Draws what options say, of captioned pictures by the first held-out captions, guided. */
async function draw(
  { generator, dataset, model }: ModelEvaluator,
  ema: Params,
  { count, ...options }: GenerateOptions,
): Promise<NdArray<"float32">> {
  if (!isCaptioned(dataset)) return generator.generate(ema, { count, ...options });
  const condition = await captionCondition(model, dataset.heldOut.captions, indices(count!));
  try {
    return await generator.generate(ema, { ...options, condition, guidance: { scale: dataset.guidance } });
  } finally {
    disposeTree(condition);
  }
}

/** Samples of the averaged weights, without guidance but of captions, the same noise in every run. */
export async function samplesOf(evaluator: ModelEvaluator, ema: Params, label: string) {
  const { scale, dataset, reporter } = evaluator;
  reporter.begin(label, scale.generated);
  const images = await draw(evaluator, ema, {
    ...samplerOf(scale, dataset, evaluator),
    batchSize: Math.min(100, scale.generated),
    onProgress: (done) => reporter.update(done),
  });
  reporter.end();
  return images;
}

/** How often samples, or the first held-out pictures, are as their captions say; nothing where there are no captions. */
export const factsOf = (
  { dataset }: Pick<Evaluator, "dataset">,
  images: NdArray<"float32">,
): CaptionAgreement | undefined =>
  isCaptioned(dataset)
    ? dataset.reader.agreement(images, dataset.heldOut.facts.slice(0, images.shape[0]))
    : undefined;

/** Linear probes of every block of the averaged weights at every noise level; none where there are none. */
export async function probeOf(
  { extractor, process, dataset, scale, reporter }: ModelEvaluator,
  ema: Params,
  label: string,
): Promise<ProbeResult[]> {
  if (scale.probeTimesteps.length === 0) return [];
  const { train: trainSet, test, classes } = dataset;
  reporter.begin(label, scale.probeTimesteps.length);
  const results: ProbeResult[] = [];
  for (const timestep of scale.probeTimesteps) {
    const level = levelAt(process, timestep);
    const features = await extractor.extract(ema, trainSet, {
      count: scale.probeTrain,
      seed: PROBE_SEED,
      ...level,
    });
    const held = await extractor.extract(ema, test, {
      count: scale.probeTest,
      seed: PROBE_SEED + 1,
      ...level,
    });
    const accuracy = await linearProbe(
      features,
      trainSet.labels.subarray(0, scale.probeTrain),
      held,
      test.labels.subarray(0, scale.probeTest),
      { classes: classes.length },
    );
    results.push({ timestep, accuracy });
    reporter.update(results.length);
  }
  reporter.end();
  return results;
}

/** Metrics of generated images [N,C,H,W] against the reference images. */
export const metricsOf = async (
  { network, reference }: Evaluator,
  images: NdArray<"float32">,
): Promise<SampleMetrics> => sampleMetrics(reference, await cnnFeatures(network, images));

/** The same metrics of held-out real images, as many as are generated: what samples could at best reach. */
export const metricsOfRealImages = async ({
  network,
  reference,
  dataset,
  scale,
}: Evaluator): Promise<SampleMetrics> =>
  sampleMetrics(reference, await cnnFeaturesOfSet(network, dataset.test, indices(scale.generated)));

/** Writes a grid of samples, with classes one column each, with captions the first of them: what a reader looks at, not what is measured. */
export async function writeGrid(evaluator: ModelEvaluator, ema: Params, path: string): Promise<void> {
  const { scale, dataset } = evaluator;
  const images = await draw(evaluator, ema, gridOf(scale, dataset, evaluator));
  await writePngGrid(path, toUint8Images(images.data, images.shape), { columns: 10, scale: 2 });
}

/** Writes real images in the samples' order. */
export async function writeRealGrid(path: string, { test, classes }: Dataset): Promise<void> {
  const { height, width, channels } = test;
  const area = height * width * channels;
  // In the samples' order: one column a class.
  const used = new Set<number>();
  const pick = (label: number): number => {
    const index = test.labels.findIndex((l, i) => l === label && !used.has(i));
    used.add(index);
    return index;
  };
  const pixels = new Uint8Array(GRID_IMAGES * area);
  for (const i of indices(GRID_IMAGES)) {
    const from = pick(i % classes.length) * area;
    pixels.set(test.images.subarray(from, from + area), i * area);
  }
  await writePngGrid(path, ndarray(pixels, [GRID_IMAGES, height, width, channels]), {
    columns: 10,
    scale: 2,
  });
}
