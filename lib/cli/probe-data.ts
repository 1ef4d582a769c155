/** What `ditlab probe` looks into, and with which images: as its options say, or as the run was trained. */
import { dirname, join } from "node:path";
import { type DatasetName, loadDataset, openTrainingData, type TrainingData } from "../data/index.ts";
import type { ProbedWeights } from "../experiments/probing.ts";
import { isFolder } from "../io/folders.ts";
import { loadSource, type PipelineSource } from "../pipeline/index.ts";
import type { ProbedSet } from "../probe/index.ts";
import type { Params } from "../tensor/params.ts";
import { disposeTree } from "../tensor/tree.ts";
import { listCheckpoints } from "../train/index.ts";
import { type DataSource, readDataSource } from "../train/run-folder.ts";
import { readVAE } from "../vae/index.ts";
import { readModel } from "./config.ts";
import { fetched, loading } from "./download.ts";

export interface ProbedOptions {
  model?: string;
  weights: ProbedWeights | "both";
  dataset?: DatasetName;
  data?: string;
  images?: string;
  testImages?: string;
  vae?: string;
}

/** A network with the weights that are looked into. */
export interface LoadedWeights extends Omit<PipelineSource, "params"> {
  weights: Partial<Record<ProbedWeights, Params>>;
  dispose(): void;
}

const NAMES = { teacher: "ema", student: "model" } as const;

/** Loads the weights that are asked for, of one checkpoint. */
export async function loadWeights(source: string, options: ProbedOptions): Promise<LoadedWeights> {
  const { model, weights } = options;
  const wanted: ProbedWeights[] = weights === "both" ? ["teacher", "student"] : [weights];
  const progress = loading();
  const given = model === undefined ? {} : await readModel(model);
  let path = source;
  let loaded: PipelineSource | undefined;
  const params: Partial<Record<ProbedWeights, Params>> = {};
  for (const name of wanted) {
    loaded = await loadSource(path, { ...given, weights: NAMES[name], onLoad: progress.onLoad });
    params[name] = loaded.params;
    // A run may go on meanwhile: both are of the step that was found first.
    if (loaded.step !== undefined && path === source) path = await checkpointAt(source, loaded.step);
  }
  progress.end();
  const { params: _, ...about } = loaded!;
  return { ...about, source, weights: params, dispose: () => disposeTree(params) };
}

/** The file of a step, of a run folder. */
async function checkpointAt(source: string, step: number): Promise<string> {
  if (!(await isFolder(source))) return source;
  const found = (await listCheckpoints(join(source, "checkpoints"))).find((one) => one.step === step);
  return found?.path ?? source;
}

/** Training and test images. */
export interface ProbedData {
  train: ProbedSet;
  test: ProbedSet;
  classes: number;
  /** What they are, in a few words. */
  name: string;
  close(): Promise<void>;
}

/**
 * Opens what options name, or else what the run was trained on.
 * @param isMeasured whether there are to be classes, and test images
 * @throws saying what is missing
 */
export async function openProbedData(
  source: string,
  options: ProbedOptions,
  { network, config }: Pick<PipelineSource, "network" | "config">,
  isMeasured: boolean,
): Promise<ProbedData> {
  const { dataset, data, images, testImages, vae } = await dataOf(source, options);
  if (images === undefined) {
    if (testImages !== undefined)
      throw new Error(
        `--test-images are beside --images; the data set ${dataset} has test images of its own`,
      );
    const { train, test, classes, name } = await loadDataset(dataset as DatasetName, { folder: data });
    return { train, test, classes: classes.length, name, close: async () => {} };
  }
  if (isMeasured && testImages === undefined)
    throw new Error(
      `the probes of ${images} are measured on other images; expected --test-images with the same classes`,
    );
  const encoder = vae === undefined ? {} : { vae: await readVAE(await fetched(vae)) };
  const paths = testImages === undefined ? [images] : [images, testImages];
  const opened: TrainingData[] = [];
  const close = async (): Promise<void> => void (await Promise.all(opened.map((one) => one.close())));
  try {
    for (const path of paths) {
      const one = await openTrainingData(path, { inputSize: config.inputSize, ...encoder });
      opened.push(one);
      if (one.shape.join() !== network.input.join())
        throw new Error(
          `${one.name} are ${one.shape.join("x")}, but the model expects ${network.input.join("x")}`,
        );
      if (isMeasured && one.classes === 0)
        throw new Error(`${one.name} have no classes, which probes tell apart`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const [train, test = train] = opened;
  const classes = Math.max(train.classes, test.classes);
  return { train, test, classes, name: images, close };
}

/** How many images of a set: all, or as many as are asked for. @throws where it has fewer */
export function countOf(set: ProbedSet, wanted: number | undefined, option: string): number {
  const { count } = set;
  if (wanted !== undefined && wanted > count)
    throw new Error(`${option} ${wanted} is more than the ${count} images that there are`);
  return wanted ?? count;
}

async function dataOf(source: string, options: ProbedOptions): Promise<DataSource> {
  const { dataset, data, images, testImages, vae } = options;
  if (dataset !== undefined && images !== undefined)
    throw new Error("--dataset and --images both say what is probed; expected one of them");
  const given = Object.fromEntries(
    Object.entries({ dataset, data, images, vae, testImages }).filter(([, value]) => value !== undefined),
  ) as DataSource;
  if ((dataset ?? images) !== undefined) return given;
  // A checkpoint lies in its run's folder.
  const begun = (await readDataSource(source)) ?? (await readDataSource(dirname(dirname(source))));
  if (begun) return { ...begun, ...given };
  throw new Error(
    `${source} does not say what it was trained on; expected --dataset, or --images and --test-images`,
  );
}
