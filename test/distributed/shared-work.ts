/** What one process does alone, and ranks together: preparations, features, scores and probes of tiny networks. */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { evaluatePickScore } from "../../lib/cli/evaluate-pickscore.ts";
import {
  packShards,
  prepareCaptions,
  prepareFeatures,
  prepareImages,
  prepareLatents,
} from "../../lib/data/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import type { Communicator } from "../../lib/distributed/communicator.ts";
import { isFirst } from "../../lib/distributed/share.ts";
import { probeBlocks } from "../../lib/experiments/probing.ts";
import { fingerprint } from "../../lib/fingerprint.ts";
import { writeNpz } from "../../lib/io/index.ts";
import {
  collectFeatures,
  foldInception,
  inceptionExtractor,
  openImageFiles,
  shareFeatures,
} from "../../lib/metrics/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { openTextEncoder } from "../../lib/text/index.ts";
import { readVAE } from "../../lib/vae/index.ts";
import { openImageEncoder } from "../../lib/vision/index.ts";
import { png, writeFiles } from "../data/images.ts";
import { fixture } from "../io/helpers.ts";
import { formulaWeights } from "../metrics/formula-weights.ts";
import { noise } from "../metrics/images.ts";
import { SMALL_MODEL } from "../models/small.ts";
import { randomParams } from "../samplers/small.ts";
import { smallImages } from "../train/small.ts";

const IMAGES = 19;

/** What all of it is made of, in a folder. */
export async function writeInputs(folder: string): Promise<void> {
  const at = (...names: string[]): string => join(folder, ...names);
  for (let i = 0; i < IMAGES; i++)
    await writeFiles(at("images"), { [`${i % 2}/${i}.png`]: await png(20, 16, 7 * i) });
  await writeFiles(at("images"), { "1/broken.png": "no image" });
  await writeFiles(at("captioned"), { "a.png": await png(8, 8, 1), "b.png": await png(8, 8, 2) });
  const annotations = Array.from({ length: 4 }, (_, i) => ({
    id: i,
    image_id: i % 2,
    caption: `a cat ${i}`,
  }));
  const images = ["a.png", "b.png"].map((file_name, id) => ({ id, file_name }));
  await writeFiles(folder, { "coco.json": JSON.stringify({ images, annotations }) });
  await mkdir(at("vae"));
  await cp(fixture("vae-config.json"), at("vae", "config.json"));
  await cp(fixture("vae.safetensors"), at("vae", "diffusion_pytorch_model.safetensors"));
  await mkdir(at("pickscore"));
  for (const file of ["config.json", "model.safetensors"])
    await cp(join(fixture("pickscore"), file), at("pickscore", file));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(join(fixture("clip"), file), at("pickscore", file));
  await writeNpz(at("samples.npz"), { arr_0: noise(32, 24, 2) });
}

/** What is printed of the work. */
export interface Work {
  counts: unknown;
  scores: unknown;
  probes: unknown;
  /** Of the FID network, which takes most of the time. */
  features?: string;
}

/** Does all of it into a folder, or all but the FID network's part. */
export async function doWork(
  inputs: string,
  out: string,
  { isWhole, ranks }: { isWhole: boolean; ranks?: Communicator },
): Promise<Work> {
  const from = (name: string): string => join(inputs, name);
  const to = (name: string): string => join(out, name);
  const more = { ranks };
  const cropped = await prepareImages(from("images"), to("images"), { size: 16, threads: 1, ...more });
  const vae = await readVAE(from("vae"));
  const latents = await prepareLatents(to("images"), to("latents"), { vae, ...more });
  const encoder = await openImageEncoder(fixture("dinov2"), { grid: 4 });
  await prepareFeatures(to("images"), to("features"), { encoder, ...more });
  await encoder.dispose();
  const packed = { shardSize: 4, arrays: { dinov2: to("features") }, ...more };
  await packShards(to("latents"), to("shards"), packed);
  const texts = await openTextEncoder(fixture("clip"));
  const captioned = { encoder: texts, shardSize: 2, ...more };
  await prepareCaptions(from("captioned"), from("coco.json"), to("captions"), captioned);
  await texts.dispose();
  const counts = [cropped, latents].map(({ written, broken, finished }) => [written, broken, finished]);
  const scores = await evaluatePickScore(
    { samples: from("samples.npz"), captions: to("captions"), pickscore: from("pickscore") },
    ranks,
  );
  const probes = await probesOf(out, ranks);
  return { counts, scores, probes, ...(isWhole && { features: await featuresOf(inputs, ranks) }) };
}

/** The statistics and features that FID and all other measures are made of, as a hash. */
async function featuresOf(inputs: string, ranks?: Communicator): Promise<string> {
  const params = foldInception(formulaWeights());
  const extractor = inceptionExtractor(params, { suite: "adm" });
  const files = await openImageFiles(join(inputs, "samples.npz"));
  try {
    if (ranks && !isFirst(ranks)) {
      for await (const _ of shareFeatures(files, extractor, ranks));
      return "";
    }
    const { pool, scores, statistics } = await collectFeatures(files, extractor, { ranks });
    const { covariance, mean } = statistics.pool!;
    return fingerprint([
      pool!.data,
      JSON.stringify(scores),
      covariance,
      mean,
      statistics.spatial!.covariance,
    ]);
  } finally {
    await extractor.dispose();
    await files.close();
  }
}

/** Probes of both blocks at two noise levels; of ranks each has its own reporter. */
async function probesOf(out: string, ranks?: Communicator): Promise<unknown> {
  const network = makeNetwork(SMALL_MODEL);
  return probeBlocks({
    ...{ network, process: SIT_PROCESS, identity: SMALL_MODEL, ranks, cache: join(out, "probes") },
    weights: { teacher: randomParams(network, randomGenerator(1)) },
    ...{ times: [0.2, 0.6], seed: 3, classes: 3, trainCount: 60, testCount: 30 },
    ...{ train: smallImages(60), test: smallImages(30) },
    recipe: { epochs: 4, batchSize: 20, learningRate: 0.02 },
    reporter: { begin() {}, update() {}, end() {}, note() {} },
  });
}
