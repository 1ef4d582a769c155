/** Self-Flow against its paper's loss and its released network, sampler and checkpoint. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Batch, methodPreset, type SelfFlowConfig } from "../../lib/align/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { tensorsOf } from "../../lib/io/index.ts";
import { loadModel, modelConfig, type TransformerConfig } from "../../lib/models/index.ts";
import { networkPredictor, sample, sampleGenerator } from "../../lib/samplers/index.ts";
import { randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { makeTask, targetsOf, taskShapes } from "../../lib/train/index.ts";
import { fixture } from "../io/helpers.ts";
import { arrays } from "../parity.ts";
import { bothWays, close } from "./methods.ts";

const MODEL: TransformerConfig = {
  ...{ inputSize: 8, patchSize: 2, inChannels: 4, outChannels: 8, hiddenSize: 16, depth: 3, numHeads: 2 },
  ...{ mlpRatio: 4, numClasses: 10, qkNorm: false, reversedTime: true },
};
const SELF_FLOW: SelfFlowConfig = {
  ...{ method: "self-flow", weight: 0.8, studentBlock: 1, teacherBlock: 2, maskRatio: 0.25 },
};
const task = makeTask({ model: MODEL, process: SIT_PROCESS, methods: [SELF_FLOW] });
const heads = task.methods[0].parameters!.shapes;
const loaded = (name: string) => loadModel(fixture(`methods/selfflow-${name}.safetensors`), MODEL, { heads });
const [student, teacher] = await Promise.all(["model", "ema"].map(loaded));
const given = await arrays("methods/selfflow-loss.npz");

const { x, noise, labels, t, s, mask } = tensorsOf({
  ...{ x: given.x, noise: given.noise, labels: given.labels },
  ...{ t: given.t, s: given.s, mask: given.mask },
});
const condition = { y: tf.cast(labels, "int32") };
const batch: Batch = {
  ...{ x, noise, t: tf.zeros([3]), condition },
  draws: [{ times: tf.stack([t, s], 1), second: tf.cast(mask, "float32") }],
};

/** Images as the release's tokens [B,T,C p q], whose channels come first. */
function channelsFirst(images: Tensor): Tensor {
  const cut = tf.reshape(images, [images.shape[0], 4, 4, 2, 4, 2]);
  return tf.reshape(tf.transpose(cut, [0, 2, 4, 1, 3, 5]), [images.shape[0], 16, 16]);
}
const imagesOf = (tokens: Tensor): Tensor => {
  const cut = tf.reshape(tokens, [tokens.shape[0], 4, 4, 4, 2, 2]);
  return tf.reshape(tf.transpose(cut, [0, 3, 1, 4, 2, 5]), [tokens.shape[0], 4, 8, 8]);
};

test("losses and all gradients, eager and compiled", async () => {
  const expected = await arrays("methods/selfflow-grads.npz");
  for (const one of await bothWays(task, student.params, batch, teacher.params)) {
    close(one.generative, given.gen_loss, 1e-4, "generative");
    const rep = tf.mean(tensorsOf({ rep: given.rep_loss }).rep).dataSync()[0];
    close(one.method, [rep], 1e-4, "rep");
    const total = one.losses.generative.dataSync()[0] + 0.8 * one.losses["self-flow"].dataSync()[0];
    close([total], given.total, 1e-4, "total");
    assert.equal(Object.keys(one.gradients).sort(), Object.keys(expected).sort());
    // The patch embedding is a linear layer there; its numbers are in the same order.
    for (const [name, gradient] of Object.entries(expected)) close(one.gradients[name], gradient, 1e-3, name);
  }
});

test("what student and teacher see and say", () => {
  const { t: tau } = task.methods[0].sight!(batch, batch.draws![0]);
  close(tau, given.tau, 1e-6, "tau");
  const input = task.process.noised({ ...batch, t: tau });
  close(channelsFirst(input), given.x_tau, 1e-5, "x_tau");
  const { output } = task.network.apply(student.params, input, tau, condition);
  close(channelsFirst(output), given.velocity, 1e-4, "velocity");
  close(targetsOf(task, teacher.params, batch)[0][0], given.teacher, 1e-4, "teacher");
  const { earliest } = tensorsOf({ earliest: given.t_min });
  const plain = task.process.noised({ ...batch, t: earliest });
  const { output: uniform } = task.network.apply(student.params, plain, earliest, condition);
  close(channelsFirst(uniform), given.uniform_velocity, 1e-4, "one time");
});

test("the released sampler, plain and guided, step by step and compiled", async () => {
  const sampled = await arrays("methods/selfflow-sampler.npz");
  const { latents, labels, plain, guided } = tensorsOf({
    ...{ latents: sampled.latents, labels: sampled.labels },
    ...{ plain: sampled["plain.eps"], guided: sampled["guided.eps"] },
  });
  const params = Object.fromEntries(
    Object.keys(task.network.shapes).map((name) => [name, student.params[name]]),
  );
  const y = tf.cast(labels, "int32");
  const generator = sampleGenerator(task.network, SIT_PROCESS);
  const options = { steps: 5, process: SIT_PROCESS };
  for (const [name, eps, guidance] of [
    ["plain", plain, undefined],
    ["guided", guided, { scale: 1.8, interval: [0, 0.7] }],
  ] as const) {
    const steps: Tensor[] = tf.unstack(eps).map(imagesOf);
    const predict = networkPredictor(task.network, params, { condition: { y }, guidance });
    const noise = (i: number): Tensor => steps[i];
    const eager = await sample("euler-maruyama", predict, latents, { ...options, noise });
    close(eager, sampled[`${name}.out`], 1e-3, name);
    const compiled = await generator.generate(params, {
      ...{ labels: y.dataSync(), sampler: "euler-maruyama", steps: 5, guidance, latents },
      noise: tf.stack(steps),
    });
    close(Array.from(compiled.data), sampled[`${name}.out`], 1e-3, `${name}, compiled`);
  }
  generator.dispose();
});

test("the released ImageNet checkpoint has the names and shapes of SiT-XL/2 with this method", () => {
  const { parameters } = JSON.parse(
    readFileSync(fixture("methods/selfflow-checkpoint-layout.json"), "utf8"),
  ) as { parameters: Record<string, number[]> };
  const layout = Object.entries(parameters).flatMap(([name, shape]): [string, number[]][] => {
    const [, blocks] = /<0\.\.(\d+)>/.exec(name) ?? [];
    if (blocks === undefined) return [[name, shape]];
    return Array.from({ length: Number(blocks) + 1 }, (_, i) => [name.replace(/<.*>/, `${i}`), shape]);
  });
  const model = modelConfig("SiT-XL/2", { outChannels: 8, reversedTime: true });
  const methods = [methodPreset("self-flow", { depth: 28, process: SIT_PROCESS })];
  const shapes = taskShapes(makeTask({ model, process: SIT_PROCESS, methods }));
  assert.equal(methods[0], { ...SELF_FLOW, studentBlock: 8, teacherBlock: 20 });
  assert.equal(Object.keys(shapes).sort(), layout.map(([name]) => name).sort());
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  for (const [name, shape] of layout) assert.is(size(shapes[name]), size(shape), name);
});

test("a checkpoint of that layout is recognized by its shapes, or refused by name", async () => {
  const { config } = await loadModel(fixture("methods/selfflow-model.safetensors"), MODEL);
  assert.is(config, MODEL);
  try {
    await loadModel(fixture("methods/selfflow-model.safetensors"), { ...MODEL, inChannels: 3 });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /x_embedder\.proj\.weight.*\[16,3,2,2\].*\[16,4,2,2\]/s);
  }
});

test("each token has the second time with its own chance; the times are not sorted", () => {
  const { draws, faults } = task.methods[0];
  assert.equal(faults, []);
  const random = randomGenerator(5);
  const counts = { masked: 0, later: 0 };
  const rounds = 2000;
  for (let i = 0; i < rounds; i++) {
    const [first, second] = Array.from(draws!.times(random) as ArrayLike<number>);
    if (second > first) counts.later++;
    for (const one of Array.from(draws!.second(random) as ArrayLike<number>)) counts.masked += one;
  }
  assert.ok(Math.abs(counts.masked / (16 * rounds) - 0.25) < 5 * Math.sqrt(0.1875 / (16 * rounds)));
  assert.ok(Math.abs(counts.later / rounds - 0.5) < 5 * Math.sqrt(0.25 / rounds));
  const steps = makeTask({
    model: { ...MODEL, reversedTime: false, outChannels: 8 },
    process: DIT_PROCESS,
    methods: [SELF_FLOW],
  });
  assert.match(String(steps.methods[0].faults), /method.*a process in steps has one for each image/);
});

test.run();
