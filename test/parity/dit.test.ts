/** Every array of the DiT fixtures, computed eagerly and compiled, against the reference's. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type SRABatch, type SRAConfig, sraLosses } from "../../lib/align/index.ts";
import {
  betaSchedule,
  gaussianDiffusion,
  hybridLoss,
  noisedAt,
  respace,
  respacedTimesteps,
} from "../../lib/diffusion/index.ts";
import { scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { DIT_DEFAULTS, type DiTConfig, dit, transformer } from "../../lib/models/index.ts";
import { compiledSampler, plan } from "../../lib/samplers/compiled.ts";
import { classVelocity, ddimSampler, ddpmSampler } from "../../lib/samplers/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { sraGradients } from "../../lib/train/index.ts";
import { arrays, relativeError, TINY, weights } from "../parity.ts";

const CONFIG: DiTConfig = { ...TINY, ...DIT_DEFAULTS };
const SRA: SRAConfig = {
  studentBlock: 1,
  teacherBlock: 3,
  interval: [0, 200],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
};
const OPTIONS = { interpolant: "linear", sra: SRA } as const;
const process = gaussianDiffusion(betaSchedule("linear"));

const tensors = async (name: string): Promise<Record<string, Tensor>> => {
  const { note_cfg, ...numbers } = await arrays(name);
  return tensorsOf(numbers);
};
const [model, teacher] = await Promise.all([
  weights("dit-model.safetensors"),
  weights("dit-ema.safetensors"),
]);

/** Runs a function eagerly and compiled. */
async function both<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Promise<Record<string, R>> {
  const compiled = jit(fn);
  const results = { eager: fn(...args), jit: await compiled(...args) };
  await compiled.dispose();
  return results;
}

const float = (x: Tensor): Tensor => tf.cast(x, "float32");

async function lossBatch(): Promise<SRABatch & Record<string, Tensor>> {
  const { t, k, y, ...rest } = await tensors("dit-sra-loss.npz");
  return { ...(rest as Record<"x" | "noise", Tensor>), t: float(t), k: float(k), y: tf.cast(y, "int32") };
}

test("forward", async () => {
  const { x, t, y, out } = await tensors("dit-forward.npz");
  const forward = (params: Params, x: Tensor, t: Tensor, y: Tensor) => {
    const { prediction, variance } = dit(params, CONFIG, x, t, y);
    return tf.concat([prediction, variance!], 1);
  };
  for (const [way, result] of Object.entries(await both(forward, model, x, float(t), tf.cast(y, "int32"))))
    assert.ok(relativeError(result, out) < 1e-4, `${way}: ${relativeError(result, out)}`);
});

test("mse, variational bound and their sum, for each sample", async () => {
  const { x, noise, t, y, mse, vb, loss } = await lossBatch();
  const losses = (params: Params, x: Tensor, noise: Tensor, t: Tensor, y: Tensor) => {
    const input = noisedAt(process, { x, noise, t });
    const { output } = transformer(params, CONFIG, input, t, y);
    return hybridLoss(process, CONFIG.diffusion, output, input, { x, noise, t }) as Record<string, Tensor>;
  };
  for (const [way, result] of Object.entries(await both(losses, model, x, noise, t, y))) {
    assert.ok(relativeError(result.mse, mse) < 1e-4, `${way} mse: ${relativeError(result.mse, mse)}`);
    assert.ok(relativeError(result.vb, vb) < 1e-4, `${way} vb: ${relativeError(result.vb, vb)}`);
    const sum = tf.add(result.mse, result.vb);
    assert.ok(relativeError(sum, loss) < 1e-4, `${way} sum: ${relativeError(sum, loss)}`);
  }
});

test("SRA's two losses: teacher steps t - k, from 1 to 999", async () => {
  const { align_loss, loss, ...batch } = await lossBatch();
  const steps = tf.sub(batch.t, batch.k).dataSync();
  assert.ok(
    steps.some((step) => step < 1),
    "a step that has to be clamped",
  );
  const losses = (params: Params, ema: Params, batch: SRABatch) => {
    const { generative, align } = sraLosses(params, ema, CONFIG, batch, OPTIONS);
    return { generative, align: align! };
  };
  const { x, noise, t, k, y } = batch;
  for (const [way, result] of Object.entries(await both(losses, model, teacher, { x, noise, t, k, y }))) {
    assert.ok(relativeError(result.generative, loss) < 1e-4, way);
    const error = relativeError(result.align, align_loss);
    assert.ok(error < 1e-4, `${way} alignment: ${error}`);
  }
});

test("gradients of every parameter", async () => {
  const { x, noise, t, k, y } = await lossBatch();
  const { align_weight, ...expected } = await arrays("dit-grads.npz");
  const weight = tf.scalar(Number(scalarOf(align_weight)));
  const gradients = (params: Params, ema: Params, batch: SRABatch, weight: Tensor) =>
    sraGradients(params, ema, CONFIG, batch, weight, OPTIONS).gradients;
  const results = await both(gradients, model, teacher, { x, noise, t, k, y }, weight);
  for (const [way, result] of Object.entries(results)) {
    assert.equal(Object.keys(result).sort(), Object.keys(expected).sort());
    for (const [name, array] of Object.entries(expected)) {
      const error = relativeError(result[name], array);
      // The key biases' gradients are rounding noise around 0.
      const rows = name.endsWith("attn.qkv.bias") ? 1e-2 : 1e-3;
      assert.ok(error < rows, `${way} ${name}: ${error}`);
    }
  }
});

const samples = await tensors("dit-samplers.npz");
const y = tf.cast(samples.y, "int32");
const respaced = respace(process, respacedTimesteps(String(samples.timestep_respacing.dataSync()[0])));
const STEPS = respaced.betas.length;
const network = (params: Params) => (x: Tensor, t: Tensor, y: Tensor) =>
  transformer(params, CONFIG, x, t, y).output;
/** The noise that the reference drew, the first half of it where both halves drew. */
const drawn = (name: string) => (index: number) =>
  tf.slice(tf.gather(samples[name], index), [0, 0, 0, 0], samples.latents.shape as never) as Tensor;

const CASES = {
  ddpm: { sampler: "ddpm", noise: "eps_ddpm" },
  ddim_eta0: { sampler: "ddim", noise: "eps_ddpm" },
  ddpm_cfg4: { sampler: "ddpm", noise: "eps_ddpm_cfg4", guidance: { scale: 4, channels: 3 } },
} as const;

for (const [name, options] of Object.entries(CASES)) {
  const { sampler, noise } = options;
  const guidance = "guidance" in options ? options.guidance : undefined;

  test(`${name}, step by step`, async () => {
    const predict = classVelocity(network(model), y, CONFIG.numClasses, guidance);
    const run = sampler === "ddpm" ? ddpmSampler : ddimSampler;
    const result = await run((x, t) => predict(x, t, t / 1000), samples.latents, {
      diffusion: respaced,
      config: CONFIG.diffusion,
      noise: drawn(noise),
    });
    assert.ok(relativeError(result, samples[name]) < 1e-3, `${relativeError(result, samples[name])}`);
  });

  test(`${name}, one compiled loop`, async () => {
    const compiled = compiledSampler(network, CONFIG.numClasses, CONFIG.diffusion);
    let x = samples.latents;
    let index = 0;
    const run = {
      scale: guidance?.scale ?? 1,
      channels: guidance?.channels,
      interpolant: "linear" as const,
      noise: () => drawn(noise)(index++),
    };
    for (const segment of plan(sampler, STEPS, guidance, CONFIG.diffusion))
      x = await compiled.run(model, x, y, segment, run);
    assert.is(index, sampler === "ddpm" ? STEPS - 1 : 0, "the last step draws nothing");
    assert.ok(relativeError(x, samples[name]) < 1e-3, `${relativeError(x, samples[name])}`);
    await compiled.dispose();
  });
}

test.run();
