/** What the SiT fixtures hold, computed. */
import { type Batch, featureDistance, type MethodConfig, projectionHead } from "../../lib/align/index.ts";
import type { InterpolantName } from "../../lib/diffusion/index.ts";
import { interpolate, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { type NdArray, scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { transformerBlock } from "../../lib/models/index.ts";
import {
  patchEmbedding,
  positionEmbedding,
  timestepEmbedding,
  timestepFrequencies,
} from "../../lib/nn/index.ts";
import { predictor, sample } from "../../lib/samplers/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  gradientsOf,
  initTrainState,
  lossesOf,
  makeTask,
  type TrainState,
  targetsOf,
  trainStep,
} from "../../lib/train/index.ts";
import { arrays, TINY, tiny, weights } from "../parity.ts";
import type { Case, Mode } from "./table.ts";

const student = await weights("sit-model.safetensors");
const teacher = await weights("sit-ema.safetensors");
/** What the fixtures were made with (fixtures/config.json). */
const BLOCKS = {
  method: "sra",
  weight: 0.2,
  studentBlock: 1,
  teacherBlock: 3,
  interval: [0, 0.2],
  projectionHead: true,
} as const;
const SMOOTH: MethodConfig = { ...BLOCKS, distance: "smooth-l1", beta: 0.05 };
const TOKEN_COSINE: MethodConfig = { ...BLOCKS, distance: "cosine", cosineAxis: "token" };
const taskOf = (method: MethodConfig, path: InterpolantName = "linear") =>
  makeTask({ model: TINY, process: { ...SIT_PROCESS, path }, methods: [method] });

function batchOf(given: Record<string, NdArray>): Batch {
  const { x, noise, t, k, y } = tensorsOf({
    x: given.x,
    noise: given.noise,
    t: given.t,
    k: given.k,
    y: given.y,
  });
  return { x, noise, t, condition: { y }, draws: [{ interval: k }] };
}

const linearBatch = batchOf(await arrays("sit-sra-loss-linear.npz"));

async function forward(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const { x, t, y } = tensorsOf({ x: given.x, t: given.t, y: given.y });
  const run = mode((params: Params, x: Tensor, t: Tensor, y: Tensor) => {
    const { output, taps } = tiny.apply(params, x, t, { y }, { taps: [1, 2, 3, 4] });
    const patches = patchEmbedding(params, "x_embedder.proj", x, TINY.patchSize);
    const embedding = timestepEmbedding(params, "t_embedder", t);
    const tokens = tf.add(patches, params.pos_embed);
    return {
      out: output,
      block_outputs: tf.stack(taps),
      projected: projectionHead(params, taps[0]),
      patch_tokens: patches,
      timestep_frequencies: timestepFrequencies(t),
      timestep_embedding: embedding,
      block1_on_c_eq_t: transformerBlock(params, TINY, 1, tokens, tf.expandDims(embedding, 1)),
    };
  });
  return { ...(await run(student, x, t, y)), pos_embed: positionEmbedding(TINY.hiddenSize, 4) };
}

const losses =
  (path: InterpolantName) =>
  async (mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> => {
    const task = taskOf(SMOOTH, path);
    const run = mode((params: Params, ema: Params, batch: Batch) => {
      const { generative, methods } = lossesOf(task, params, ema, batch);
      const noised = interpolate(path, batch.x, batch.noise, batch.t);
      const [tapped] = tiny.features(params, noised, batch.t, batch.condition, { taps: [1] });
      const features = projectionHead(params, tapped);
      const [[target]] = targetsOf(task, ema, batch);
      return {
        gen_loss: generative,
        align_sml1: methods[0],
        student: features,
        teacher: target,
        align_l2: featureDistance(features, target, { distance: "l2" }),
        align_l1: featureDistance(features, target, { distance: "l1" }),
        align_cos: featureDistance(features, target, { distance: "cosine", cosineAxis: "token" }),
        align_cos_feature_axis: featureDistance(features, target, { distance: "cosine" }),
      };
    });
    return run(student, teacher, batchOf(given));
  };

const gradients =
  (method: MethodConfig) =>
  (mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> =>
    mode(
      (params: Params, ema: Params, batch: Batch, weight: Tensor) =>
        gradientsOf(taskOf(method), params, ema, batch, [weight]).gradients,
    )(student, teacher, linearBatch, tf.scalar(scalarOf(given.align_weight)));

const TRAIN_SETTINGS = ["lr", "weight_decay", "max_grad_norm", "ema_decay", "align_weight"] as const;

async function train(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const [rate, weightDecay, maxGradientNorm, decay, weight] = TRAIN_SETTINGS.map((key) =>
    scalarOf(given[key]),
  );
  const task = taskOf(SMOOTH);
  const step = mode((state: TrainState, batch: Batch, scalars: Record<"rate" | "weight" | "decay", Tensor>) =>
    trainStep(
      task,
      state,
      batch,
      { learningRate: scalars.rate, weights: [scalars.weight], emaDecay: scalars.decay },
      { adamW: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay }, maxGradientNorm },
    ),
  );
  const scalars = { rate: tf.scalar(rate), weight: tf.scalar(weight), decay: tf.scalar(decay) };
  let state: TrainState = { ...initTrainState(task, student), ema: teacher };
  const log: Tensor[] = [];
  for (let i = 0; i < 3; i++) {
    const result = await step(state, linearBatch, scalars);
    state = result.state;
    log.push(tf.stack([result.metrics.generative, result.metrics.sra, result.metrics.gradientNorm]));
  }
  const named = (prefix: string, params: Params): Params =>
    Object.fromEntries(Object.entries(params).map(([name, value]) => [`${prefix}.${name}`, value]));
  return { log: tf.stack(log), ...named("model", state.params), ...named("ema", state.ema) };
}

async function samplers(mode: Mode, given: Record<string, NdArray>): Promise<Record<string, Tensor>> {
  const network = mode(
    (params: Params, x: Tensor, t: Tensor, y: Tensor) => tiny.apply(params, x, t, { y }).output,
  );
  const { latents, y, ...noise } = tensorsOf({
    latents: given.latents,
    y: given.y,
    plain: given.eps_euler_maruyama,
    guided: given.eps_euler_maruyama_cfg,
  });
  const steps = scalarOf(given.num_steps);
  const predict = (scale: number, interval: [number, number] = [0, 1]) =>
    predictor((x, t, { y }) => network(student, x, t, y), {
      condition: { y },
      none: { y: tf.fill(y.shape, TINY.numClasses, "int32") },
      guidance: { scale, interval },
    });
  const draws = (which: "plain" | "guided") => (index: number, shape: number[]) =>
    tf.reshape(tf.slice(noise[which], index, 1), shape);
  return {
    euler: await sample("euler", predict(1), latents, { steps }),
    heun: await sample("heun", predict(1), latents, { steps }),
    "euler_cfg1.8_interval0_0.7": await sample("euler", predict(1.8, [0, 0.7]), latents, { steps }),
    heun_cfg4: await sample("heun", predict(4), latents, { steps }),
    euler_maruyama: await sample("euler-maruyama", predict(1), latents, { steps, noise: draws("plain") }),
    "euler_maruyama_cfg1.8_interval0_0.7": await sample("euler-maruyama", predict(1.8, [0, 0.7]), latents, {
      steps,
      noise: draws("guided"),
    }),
  };
}

const BATCH = ["x", "noise", "t", "k", "y"];

export const sitCases: Case[] = [
  { file: "sit-forward.npz", inputs: ["x", "t", "y"], tolerance: 1e-4, compute: forward },
  { file: "sit-sra-loss-linear.npz", inputs: BATCH, tolerance: 1e-4, compute: losses("linear") },
  { file: "sit-sra-loss-cosine.npz", inputs: BATCH, tolerance: 1e-4, compute: losses("cosine") },
  { file: "sit-grads-sml1.npz", inputs: ["align_weight"], tolerance: 1e-3, compute: gradients(SMOOTH) },
  { file: "sit-grads-cos.npz", inputs: ["align_weight"], tolerance: 1e-3, compute: gradients(TOKEN_COSINE) },
  { file: "sit-train3.npz", inputs: TRAIN_SETTINGS, tolerance: 1e-3, compute: train },
  {
    file: "sit-samplers.npz",
    inputs: ["latents", "y", "num_steps", "eps_euler_maruyama", "eps_euler_maruyama_cfg"],
    tolerance: 1e-3,
    compute: samplers,
  },
];
