/** What the fixtures of the VAE, the FID network and the metrics hold, computed. */
import { readFileSync } from "node:fs";
import { type NdArray, ndarray, tensorsOf } from "../../lib/io/index.ts";
import {
  foldInception,
  frechetDistance,
  gaussianStatistics,
  inception,
  inceptionScore,
  precisionRecall,
} from "../../lib/metrics/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { decode, encode, parseVAEConfig } from "../../lib/vae/index.ts";
import { fixture } from "../io/helpers.ts";
import { formulaWeights } from "../metrics/formula-weights.ts";
import { featuresOf, firstRows } from "../metrics/helpers.ts";
import { weights } from "../parity.ts";
import type { Case, Mode } from "./table.ts";

const vaeConfig = parseVAEConfig(JSON.parse(readFileSync(fixture("vae-config.json"), "utf8")));
const vaeParams = await weights("vae.safetensors");

async function vae(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const run = mode((params: Params, x: Tensor) => {
    const { mean, std } = encode(params, vaeConfig, x);
    return { mean, std, decoded_mean: decode(params, vaeConfig, tf.mul(mean, vaeConfig.scale)) };
  });
  return run(vaeParams, tensorsOf(given).x);
}

async function network(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const params = foldInception(formulaWeights());
  const run = mode((params: Params, x: Tensor) => {
    const resized = x.shape[1] === 299 ? x : tf.image.resizeBilinear(x as never, [299, 299], false, true);
    return inception(params, tf.transpose(tf.sub(tf.div(resized, 127.5), 1), [0, 3, 1, 2]));
  });
  const images = (name: string): Tensor =>
    tf.tensor4d(Array.from(given[name].data as Uint8Array), given[name].shape as never);
  const [large, small] = [await run(params, images("images299")), await run(params, images("images32"))];
  return { ...large, pool_from32: small.pool, logits_from32: small.logits };
}

async function metrics(_: Mode, given: Record<string, NdArray>): Promise<Record<string, NdArray>> {
  const [real, made] = [featuresOf(given.reference), featuresOf(given.samples)];
  const [a, b] = [gaussianStatistics(real), gaussianStatistics(made)];
  const { precision, recall } = await precisionRecall(real, made);
  const probabilities = featuresOf(given.probabilities);
  const scalar = (value: number): NdArray => ndarray(Float64Array.of(value), []);
  return {
    mu_ref: ndarray(a.mean, [64]),
    sigma_ref: ndarray(a.covariance, [64, 64]),
    mu_smp: ndarray(b.mean, [64]),
    sigma_smp: ndarray(b.covariance, [64, 64]),
    fid: scalar(await frechetDistance(a, b)),
    fid_rank_deficient_40_vs_samples: scalar(
      await frechetDistance(gaussianStatistics(firstRows(real, 40)), b),
    ),
    precision_k3: scalar(precision),
    recall_k3: scalar(recall),
    inception_score_split5000: scalar(inceptionScore(probabilities)),
    inception_score_split100: scalar(inceptionScore(probabilities, { splitSize: 100 })),
  };
}

export const networkCases: Case[] = [
  { file: "vae.npz", inputs: ["x"], tolerance: 1e-4, compute: vae },
  {
    file: "inception.npz",
    inputs: [
      "images299",
      "images32",
      ...["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"].map(
        (block) => `channel_means_Mixed_${block}`,
      ),
    ],
    tolerance: 1e-4,
    // Minutes otherwise.
    modes: ["jit"],
    compute: network,
  },
  {
    file: "metrics.npz",
    // A distance of 0 has no relative error.
    inputs: ["reference", "samples", "probabilities", "fid_self"],
    tolerance: 1e-6,
    modes: ["eager"],
    compute: metrics,
  },
];
