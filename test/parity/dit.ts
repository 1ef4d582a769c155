/** What the DiT fixtures hold, computed. */
import type { Batch, MethodConfig } from "../../lib/align/index.ts";
import {
  betaSchedule,
  DIT_PROCESS,
  type GaussianDiffusion,
  gaussianDiffusion,
  hybridLoss,
  noisedAt,
  respace,
  respacedTimesteps,
} from "../../lib/diffusion/index.ts";
import { type NdArray, scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { makeNetwork, type TransformerConfig } from "../../lib/models/index.ts";
import { type Guidance, predictor, sample } from "../../lib/samplers/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { gradientsOf, lossesOf, makeTask } from "../../lib/train/index.ts";
import { arrays, TINY, weights } from "../parity.ts";
import type { Case, Mode } from "./table.ts";

export const CONFIG: TransformerConfig = { ...TINY, outChannels: 8 };
export const network = makeNetwork(CONFIG);
const SRA: MethodConfig = {
  method: "sra",
  weight: 0.04,
  studentBlock: 1,
  teacherBlock: 3,
  interval: [0, 200],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
};
const task = makeTask({ model: CONFIG, process: DIT_PROCESS, methods: [SRA] });
const diffusion = gaussianDiffusion(betaSchedule("linear"));
export const model = await weights("dit-model.safetensors");
const teacher = await weights("dit-ema.safetensors");

const float = (x: Tensor): Tensor => tf.cast(x, "float32");

async function forward(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const { x, t, y } = tensorsOf(given);
  const run = mode((params: Params, x: Tensor, t: Tensor, y: Tensor) => ({
    out: network.apply(params, x, t, { y }).output,
  }));
  return run(model, x, float(t), tf.cast(y, "int32"));
}

function batchOf(given: Record<string, NdArray>): Batch {
  const { x, noise, t, k, y } = tensorsOf(given);
  return {
    x,
    noise,
    t: float(t),
    condition: { y: tf.cast(y, "int32") },
    draws: [{ interval: float(k) }],
  };
}

async function losses(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const run = mode((params: Params, ema: Params, batch: Batch) => {
    const { x, noise, t, condition } = batch;
    const input = noisedAt(diffusion, { x, noise, t });
    const { output } = network.apply(params, input, t, condition);
    const { mse, vb } = hybridLoss(diffusion, DIT_PROCESS, output, input, { x, noise, t });
    const { methods } = lossesOf(task, params, ema, batch);
    return { mse, vb: vb as Tensor, loss: tf.add(mse, vb as Tensor), align_loss: methods[0] };
  });
  return run(model, teacher, batchOf(given));
}

export const lossBatch = batchOf(await arrays("dit-sra-loss.npz"));

const gradients = (mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> =>
  mode(
    (params: Params, ema: Params, batch: Batch, weight: Tensor) =>
      gradientsOf(task, params, ema, batch, [weight]).gradients,
  )(model, teacher, lossBatch, tf.scalar(Number(scalarOf(given.align_weight))));

/** The schedule of the samplers' fixture. */
export const respacedFor = (given: Record<string, NdArray>): GaussianDiffusion =>
  respace(diffusion, respacedTimesteps(String(scalarOf(given.timestep_respacing))));

/** The noise that the reference drew, the first half of it where both halves drew. */
export const drawn = (noise: Tensor, latents: Tensor) => (index: number) =>
  tf.slice(tf.gather(noise, index), [0, 0, 0, 0], latents.shape as never) as Tensor;

async function samplers(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const { note_cfg: _, ...numbers } = given;
  const { latents, y, eps_ddpm, eps_ddpm_cfg4 } = tensorsOf(numbers);
  const predicts = mode(
    (params: Params, x: Tensor, t: Tensor, y: Tensor) => network.apply(params, x, t, { y }).output,
  );
  const steps = respacedFor(given).betas.length;
  const condition = { y: tf.cast(y, "int32") };
  const run = (sampler: "ddpm" | "ddim", noise: Tensor, guidance: Guidance = { scale: 1 }) => {
    const predict = predictor((x, t, { y }) => predicts(model, x, t, y), {
      condition,
      none: { y: tf.fill(y.shape, CONFIG.numClasses, "int32") },
      guidance,
    });
    return sample(sampler, predict, latents, { process: DIT_PROCESS, steps, noise: drawn(noise, latents) });
  };
  return {
    ddpm: await run("ddpm", eps_ddpm),
    ddim_eta0: await run("ddim", eps_ddpm),
    ddpm_cfg4: await run("ddpm", eps_ddpm_cfg4, { scale: 4, channels: 3 }),
  };
}

export const ditCases: Case[] = [
  { file: "dit-forward.npz", inputs: ["x", "t", "y"], tolerance: 1e-4, compute: forward },
  {
    file: "dit-sra-loss.npz",
    inputs: ["x", "noise", "t", "k", "y"],
    tolerance: 1e-4,
    compute: losses,
  },
  {
    file: "dit-grads.npz",
    inputs: ["align_weight"],
    tolerance: 1e-3,
    compute: gradients,
  },
  {
    file: "dit-samplers.npz",
    inputs: ["latents", "y", "timestep_respacing", "eps_ddpm", "eps_ddpm_cfg4", "note_cfg"],
    tolerance: 1e-3,
    compute: samplers,
  },
];
