/** Contrastive flow matching against sums by hand. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ContrastiveConfig, methodPreset, withoutInterference } from "../../lib/align/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { gradientsOf, lossesOf, makeTask } from "../../lib/train/index.ts";
import { backbone, batchAt, bothWays, close, MODEL, taskOf } from "./methods.ts";

const CONTRASTIVE: ContrastiveConfig = { method: "contrastive", weight: 0.05 };
const times = tf.tensor1d([0.1, 0.7, 0.4, 0.9]);
const draws = [{ other: tf.tensor1d([0, 0.999, 0.5, 0.4]) }];
/** i + 1 + floor(3 u), counted around four samples. */
const OTHERS = [1, 0, 0, 1];
const batch = { ...batchAt(times), draws };
const rows = (x: Tensor): number[][] => tf.reshape(x, [4, -1]).arraySync() as number[][];
const meanSquare = (a: number[], b: number[]): number =>
  a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;

for (const path of ["linear", "cosine"] as const)
  test(`the distance from another sample's velocity, on the ${path} path, eager and compiled`, async () => {
    const task = taskOf(CONTRASTIVE, path);
    const input = task.process.noised(batch);
    const { output } = task.network.apply(backbone, input, times, batch.condition);
    const [predicted, x, noise] = [output, batch.x, batch.noise].map(rows);
    const targets = x.map((row, j) => {
      const t = times.dataSync()[j];
      const angle = (Math.PI / 2) * t;
      const [a, b] =
        path === "linear" ? [-1, 1] : [-Math.sin(angle), Math.cos(angle)].map((d) => (d * Math.PI) / 2);
      return row.map((value, i) => a * value + b * noise[j][i]);
    });
    const distances = predicted.map((row, i) => meanSquare(row, targets[OTHERS[i]]));
    const expected = -distances.reduce((a, b) => a + b) / 4;
    for (const { method } of await bothWays(task, backbone, batch)) close(method, [expected], 1e-4, "loss");

    const spared = taskOf({ ...CONTRASTIVE, spareDropped: true }, path);
    const dropped = tf.tensor1d([true, false, true, false], "bool");
    const [kept] = lossesOf(spared, backbone, backbone, { ...batch, dropped }).methods;
    const told = { y: tf.where(dropped, tf.fill([4], 10, "int32"), batch.condition.y as Tensor) };
    const seen = rows(task.network.apply(backbone, input, times, told).output);
    const of = [1, 3].map((i) => meanSquare(seen[i], targets[OTHERS[i]]));
    close(kept, [-(of[0] + of[1]) / 2], 1e-4, "without those that are dropped");
    const nobody = { ...batch, dropped: tf.onesLike(dropped) };
    assert.equal(lossesOf(spared, backbone, backbone, nobody).methods[0].dataSync()[0], -0);
  });

test("what it adds is taken out again: the minimizer becomes plain training's", () => {
  // Of one image the velocity that plain training learns at x_t is known; a network that has learned the loss says:
  const weight = 0.05;
  const mean = tf.mean(batch.x, 0) as Tensor;
  const plain = tf.sub(batch.noise, batch.x);
  const learned = tf.div(tf.add(plain, tf.mul(tf.expandDims(mean, 0), weight)), 1 - weight);
  const network = { ...makeNetwork(MODEL), apply: () => ({ output: learned, taps: [] }) };
  const { output } = withoutInterference(network, { weight, mean }).apply({}, batch.x, times, {});
  close(output as Tensor, Array.from(plain.dataSync()), 1e-5, "velocity");
  assert.throws(() => withoutInterference(network, { weight: 1, mean }), /from 0 to below 1, got 1/);
  assert.throws(
    () => withoutInterference(network, { weight, mean: plain }),
    /must be \[4,8,8\].*\[4,4,8,8\]/,
  );
});

test("it stands beside other methods, needs several samples at a time, and a path", () => {
  const methods = [
    methodPreset("layersync", { depth: 4, process: SIT_PROCESS }),
    methodPreset("contrastive", { depth: 4, process: SIT_PROCESS }),
  ];
  const task = makeTask({ model: MODEL, process: SIT_PROCESS, methods });
  const both = { ...batch, draws: [{}, draws[0]] };
  const of = (weights: number[]) =>
    gradientsOf(
      task,
      backbone,
      backbone,
      both,
      weights.map((weight) => tf.scalar(weight)),
    );
  const alone = gradientsOf(taskOf(CONTRASTIVE), backbone, backbone, batch, [tf.scalar(0.05)]);
  close(
    of([0, 0.05]).gradients["blocks.1.mlp.fc1.weight"],
    Array.from(alone.gradients["blocks.1.mlp.fc1.weight"].dataSync()),
    1e-5,
    "gradient",
  );
  assert.ok(task.methods[1].couplesSamples);
  const steps = makeTask({
    model: { ...MODEL, outChannels: 8 },
    process: DIT_PROCESS,
    methods: [CONTRASTIVE],
  });
  assert.match(String(steps.methods[0].faults), /method.*a process in steps/);
});

test.run();
