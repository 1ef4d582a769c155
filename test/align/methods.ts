/** What the tests of the methods share: the fixtures' network, and gradients against theirs. */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import type { Batch, MethodConfig } from "../../lib/align/index.ts";
import { type InterpolantName, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { type NdArray, tensorsOf } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import type { TransformerConfig } from "../../lib/models/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { type Gradients, gradientsOf, lossesOf, makeTask, type Task } from "../../lib/train/index.ts";
import { fixture } from "../io/helpers.ts";
import { noteError } from "../parity/notes.ts";
import { arrays, relativeError, weights } from "../parity.ts";

/** `b` of fixtures/methods/config.json. */
export const MODEL: TransformerConfig = {
  inputSize: 8,
  patchSize: 2,
  inChannels: 4,
  hiddenSize: 16,
  depth: 4,
  numHeads: 2,
  mlpRatio: 4,
  numClasses: 10,
  qkNorm: false,
};
export const backbone = await weights("methods/b-backbone.safetensors");

/** Data, noise and labels, which the methods' fixtures share. */
const shared = await arrays("methods/repa-loss.npz");

/** A batch at given times, with further arrays. */
export function batchAt(t: Tensor, further: Record<string, NdArray> = {}): Batch {
  const { x, noise, labels } = tensorsOf({ x: shared.x, noise: shared.noise, labels: shared.labels });
  return { x, noise, t, condition: { y: tf.cast(labels, "int32") }, arrays: tensorsOf(further) };
}

/** The times of the original SiT, whose 1 is data, in ours. */
export const fromSit = (t: NdArray): Tensor => tf.sub(1, tensorsOf({ t }).t);

export const taskOf = (method: MethodConfig, path: InterpolantName = "linear", reversedTime = false) =>
  makeTask({
    model: { ...MODEL, ...(reversedTime && { reversedTime }) },
    process: { ...SIT_PROCESS, path },
    methods: [method],
  });

export interface Computed extends Gradients {
  generative: Tensor;
  method: Tensor;
}

/** Losses and gradients of a method at its own weight, eager and compiled. The student is its own teacher unless one is given. */
export async function bothWays(
  task: Task,
  params: Params,
  batch: Batch,
  teacher = params,
  frozen?: Params,
): Promise<Computed[]> {
  type Arguments = [params: Params, teacher: Params, batch: Batch, weight: Tensor, frozen?: Params];
  const run = (...[params, teacher, batch, weight, frozen]: Arguments): Computed => {
    const { generative, methods } = lossesOf(task, params, teacher, batch, { frozen });
    const gradients = gradientsOf(task, params, teacher, batch, [weight], { frozen });
    return { ...gradients, generative, method: methods[0] };
  };
  const weight = tf.scalar(task.methods[0].weight as number);
  const compiled = jit(run);
  const args: Arguments = [params, teacher, batch, weight, frozen];
  const results = [run(...args), await compiled(...args)];
  await compiled.dispose();
  return results;
}

export const close = (
  actual: Tensor | number[],
  expected: NdArray | number[],
  tolerance: number,
  what: string,
): void => {
  const error = relativeError(actual, expected);
  noteError(what, error, tolerance);
  assert.ok(error < tolerance, `${what}: ${error}`);
};

const NAMES: string[] = JSON.parse(readFileSync(fixture("methods/b-grad-norm-names.json"), "utf8"));

/** L2 norms of gradients by parameter, in the fixtures' order. */
export const normsOf = (gradients: Params, names = NAMES): number[] =>
  names.map((name) => Math.sqrt(tf.sum(tf.square(gradients[name])).dataSync()[0]));
