/** SRA-DTS-AS against the numbers of its published code: all variants, eager and compiled. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Batch, type DTSASConfig, groupSizes, methodPreset } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { type NdArray, tensorsOf, toFloat64 } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import type { TransformerConfig } from "../../lib/models/index.ts";
import { patchesOf } from "../../lib/nn/index.ts";
import { randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { lossesOf, makeTask, targetsOf } from "../../lib/train/index.ts";
import { fixture } from "../io/helpers.ts";
import { arrays, weights } from "../parity.ts";
import { bothWays, close, normsOf } from "./methods.ts";

const MODEL: TransformerConfig = {
  ...{ inputSize: 8, patchSize: 2, inChannels: 4, hiddenSize: 20, depth: 3, numHeads: 5 },
  ...{ mlpRatio: 4, numClasses: 10, qkNorm: false },
};
const DTS: DTSASConfig = {
  ...{ method: "dts-as", weight: 0.5, studentBlock: 1, teacherBlock: 2, ratios: [0.25, 0.75] },
  ...{ dualTime: true, separation: true, fullSamples: 0, teacher: "sra", interval: [0, 0.2] },
  ...{ distance: "cosine", cosineAxis: "token" },
};
const CASES: Record<string, Partial<DTSASConfig>> = {
  main: {},
  sml1: { distance: "smooth-l1", beta: 0.05, cosineAxis: undefined },
  full_attention: { separation: false },
  single_time: { dualTime: false },
  three_groups_same: { ratios: [0.5, 0.3, 0.2], teacher: "same" },
  full_samples: { fullSamples: 0.25 },
  self_flow: { separation: false, teacher: "self-flow" },
  self_flow_teacher_mask: { teacher: "self-flow-released" },
  no_mask_sra: { ratios: [1], dualTime: false },
};

const main = await arrays("methods/dts-main.npz");
const variants = await arrays("methods/dts-variants.npz");
const [student, teacher] = await Promise.all(
  ["model", "ema"].map((name) => weights(`methods/dts-${name}.safetensors`)),
);
const { group_counts, parameter_names_of_grad_norms: NAMES } = JSON.parse(
  readFileSync(fixture("methods/dts-cases.json"), "utf8"),
) as {
  group_counts: { ratios: number | number[]; tokens: number; counts: number[] }[];
  parameter_names_of_grad_norms: string[];
};
const config = (name: string): DTSASConfig => ({ ...DTS, ...CASES[name] });
const taskOf = (method: DTSASConfig) => makeTask({ model: MODEL, process: SIT_PROCESS, methods: [method] });

/** The array of a case; the features of `sml1` are those of `main`. */
const of = (name: string, array: string): NdArray =>
  (name === "main" ? main[array] : variants[`${name}.${array}`]) ?? main[array];

/** What a case's batch draws, by its published groups. */
function drawsOf(name: string): Record<string, Tensor> {
  const { ratios, fullSamples } = config(name);
  // Samples that became one group say no more who was where: the main case's groups are theirs.
  const ids = toFloat64(fullSamples > 0 ? main.mask : (variants[`${name}.mask`] ?? main.mask));
  const [batch, tokens] = main.mask.shape;
  const rows = Array.from({ length: batch }, (_, b) => {
    const own = Array.from({ length: tokens }, (_, i) => (ratios.length === 1 ? 0 : ids[b * tokens + i]));
    const order = own.map((_, i) => i).sort((i, j) => own[i] - own[j] || i - j);
    return [...order, ...order.map((_, i) => order.indexOf(i))];
  });
  const source = name === "main" ? main : variants;
  const given = tensorsOf({ t: source.t, interval: source.interval });
  const byGroup = (x: Tensor): Tensor => tf.slice(tf.transpose(x), [0, 0], [batch, ratios.length]);
  return {
    tokens: tf.tensor2d(rows),
    times: byGroup(given.t),
    interval: byGroup(given.interval),
    ...(fullSamples > 0 && { full: tf.tensor1d([1, 0, 1]) }),
  };
}

function batchOf(name: string): Batch {
  const { x, noise, labels, labels_student } = tensorsOf({
    ...{ x: main.x, noise: main.noise, labels: main.labels, labels_student: main.labels_student },
  });
  return {
    ...{ x, noise, t: tf.zeros([3]) },
    condition: { y: tf.cast(labels, "int32") },
    dropped: tf.notEqual(labels, labels_student),
    draws: [drawsOf(name)],
  };
}

for (const name of Object.keys(CASES))
  test(`${name}: losses and gradients, eager and compiled`, async () => {
    const task = taskOf(config(name));
    const batch = batchOf(name);
    for (const { generative, method, losses, gradients } of await bothWays(task, student, batch, teacher)) {
      close(generative, of(name, "gen_loss"), 1e-4, "generative");
      const align = toFloat64(of(name, "align"));
      close(method, [align.reduce((sum, value) => sum + value, 0) / align.length], 1e-4, "align");
      const total = losses.generative.dataSync()[0] + 0.5 * losses["dts-as"].dataSync()[0];
      close([total], of(name, "total"), 1e-4, "total");
      if (name === "main")
        for (const [parameter, gradient] of Object.entries(await arrays("methods/dts-main-grads.npz")))
          close(gradients[parameter], gradient, 1e-3, parameter);
      if (name in CASES && (name === "main" || `${name}.grad_norms` in variants))
        close(normsOf(gradients, NAMES), of(name, "grad_norms"), 1e-3, "norms");
    }
  });

test("what student and teacher see and say", async () => {
  for (const name of Object.keys(CASES)) {
    const task = taskOf(config(name));
    const batch = batchOf(name);
    const [[target]] = targetsOf(task, teacher, batch);
    close(target, of(name, "teacher"), 1e-4, `${name}: teacher`);
    const { t, ...attention } = task.methods[0].sight!(batch, batch.draws![0]);
    const input = task.process.noised({ ...batch, t });
    const { y } = tensorsOf({ y: main.labels_student });
    const condition = { y: tf.cast(y, "int32") };
    const { output } = task.network.apply(student, input, t, condition, attention);
    close(patchesOf(output, 2), of(name, "velocity_tokens"), 1e-4, `${name}: velocity`);
  }
});

test("the cosine of each token is the formula's, and is not what was released", () => {
  const batch = batchOf("main");
  const { methods } = lossesOf(taskOf({ ...DTS, cosineAxis: "feature" }), student, teacher, batch);
  const expected = toFloat64(main.align_cos_feature_axis);
  close(methods[0], [expected.reduce((sum, value) => sum + value, 0) / expected.length], 1e-4, "align");
});

test("tokens at two times that do not see each other, as a network is asked for them", async () => {
  const { network } = taskOf(DTS);
  const { t } = tensorsOf({ t: variants.t });
  const ids = tensorsOf({ ids: main.mask }).ids;
  const [t0, t1]: Tensor[] = tf.split(tf.slice(t, [0, 0], [2, 3]), 2, 0);
  const own = tf.cast(ids, "float32");
  const times = tf.add(tf.mul(tf.reshape(t0, [3, 1]), tf.sub(1, own)), tf.mul(tf.reshape(t1, [3, 1]), own));
  const { x, noise, y } = tensorsOf({ x: main.x, noise: main.noise, y: main.labels_student });
  const grid = tf.reshape(own, [3, 1, 4, 1, 4, 1]);
  const second = tf.reshape(tf.tile(grid, [1, 1, 1, 2, 1, 2]), [3, 1, 8, 8]);
  const input = tf.add(tf.mul(x, tf.sub(1, second)), tf.mul(noise, second));
  const attentionMask = tf.equal(tf.expandDims(own, 2), tf.expandDims(own, 1));
  const condition = { y: tf.cast(y, "int32") };
  const { output } = network.apply(student, input, times, condition, { attentionMask });
  close(output, variants["eval_mixed.out"], 1e-4, "output");
});

test("groups by sorting are those of a mask, with gradients, also computed again", async () => {
  const { network } = taskOf(DTS);
  const batch = batchOf("main");
  const task = taskOf(DTS);
  const { t, attentionGroups } = task.methods[0].sight!(batch, batch.draws![0]);
  const own = tensorsOf({ ids: main.mask }).ids;
  const attentionMask = tf.equal(tf.expandDims(own, 2), tf.expandDims(own, 1));
  const input = task.process.noised({ ...batch, t });
  const slope = (options: object, x = input) =>
    tf.grad((x: Tensor) => {
      const { output, taps } = network.apply(student, x, t, batch.condition, { taps: [2], ...options });
      return tf.add(tf.sum(tf.square(output)), tf.sum(taps[0]));
    })(x);
  const expected = slope({ attentionMask });
  close(slope({ attentionGroups }), Array.from(expected.dataSync()), 1e-4, "gradient");
  const compiled = jit((x: Tensor) => slope({ attentionGroups, remat: true }, x));
  close(await compiled(input), Array.from(expected.dataSync()), 1e-4, "computed again");
  await compiled.dispose();
});

test("groups have exact sizes, and every order of the tokens is as likely", () => {
  for (const { ratios, tokens, counts } of group_counts) {
    const list = Array.isArray(ratios) ? ratios : ratios > 0 && ratios < 1 ? [ratios, 1 - ratios] : [1];
    assert.equal(groupSizes(list, tokens), counts, `${ratios} of ${tokens}`);
  }
  const { draws } = taskOf({ ...DTS, fullSamples: 0.25 }).methods[0];
  const random = randomGenerator(3);
  const [inFirst, full] = [new Array(16).fill(0), []] as [number[], number[]];
  const count = 4000;
  for (let i = 0; i < count; i++) {
    const row = Array.from(draws!.tokens(random) as ArrayLike<number>);
    const [order, places] = [row.slice(0, 16), row.slice(16)];
    for (const [place, token] of order.entries()) assert.is(places[token], place);
    for (const token of order.slice(0, 4)) inFirst[token]++;
    full.push(draws!.full(random) as number);
  }
  const spread = 5 * Math.sqrt((count * 3) / 16);
  for (const often of inFirst) assert.ok(Math.abs(often - count / 4) < spread, `${inFirst}`);
  assert.ok(Math.abs(full.reduce((a, b) => a + b) / count - 0.25) < 5 * Math.sqrt(0.1875 / count));
});

test("what does not fit is named", () => {
  const faults = (change: Partial<DTSASConfig>) => taskOf({ ...DTS, ...change }).methods[0].faults;
  assert.equal(faults({}), []);
  assert.match(String(faults({ ratios: [0.01, 0.99] })), /ratios.*one of the 16 tokens at least/);
  assert.match(String(faults({ fullSamples: 0.1, ratios: [1, 1, 1] })), /fullSamples.*0 with 3 groups/);
  assert.match(String(faults({ interval: [0, 200] })), /interval/);
  assert.match(String(faults({ teacherBlock: 4 })), /teacherBlock.*depth 3/);
  const preset = methodPreset("dts-as", { depth: 12, process: SIT_PROCESS }) as DTSASConfig;
  assert.equal([preset.studentBlock, preset.teacherBlock, preset.weight], [3, 8, 0.5]);
});

test.run();
