/** Both stages of Self-Transcendence against numbers written from its formulas (fixtures/methods/self_transcendence.py). */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type Batch,
  type LatentGuidanceConfig,
  methodPreset,
  type SelfTranscendenceConfig,
} from "../../lib/align/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { scheduleAt } from "../../lib/optim/schedules.ts";
import { mapParams, tf } from "../../lib/tensor/index.ts";
import { lossesOf, makeTask } from "../../lib/train/index.ts";
import { arrays, weights } from "../parity.ts";
import { backbone, batchAt, bothWays, close, MODEL, taskOf } from "./methods.ts";

const given = await arrays("methods/self-transcendence.npz");
const heads = await weights("methods/self-transcendence-heads.safetensors");
const { "projectors_final.linear.weight": _, "projectors_final.linear.bias": __, ...projector } = heads;
const common = { weight: 0.5, headWidth: 24, times: [0.4, 0.7] } as const;
const FIRST: LatentGuidanceConfig = {
  ...{ ...common, method: "self-transcendence-1", block: 1, target: "latent" },
};
const SECOND: SelfTranscendenceConfig = {
  ...{ ...common, method: "self-transcendence", studentBlock: 2, teacherBlock: 3, guidance: 30 },
};
const { t, dropped } = tensorsOf({ t: given.t, dropped: given.dropped });
const batch: Batch = { ...batchAt(t), dropped: tf.cast(dropped, "bool") };
const frozen = mapParams(backbone, (p) => tf.mul(p, 0.8));
const gradientsOf = (stage: string) =>
  Object.entries(given)
    .filter(([name]) => name.startsWith(`${stage}.grad.`))
    .map(([name, value]) => [name.slice(`${stage}.grad.`.length), value] as const);

test("the first stage's loss and gradients, eager and compiled, and its released target", async () => {
  const params = { ...backbone, ...heads };
  for (const { method, losses, gradients } of await bothWays(taskOf(FIRST), params, batch)) {
    close(method, [scalarOf(given["latent.loss"])], 1e-5, "loss");
    const total = losses.generative.dataSync()[0] + 0.5 * losses["self-transcendence-1"].dataSync()[0];
    assert.ok(Math.abs(total / scalarOf(given["latent.total"]) - 1) < 1e-5);
    const expected = gradientsOf("latent");
    assert.equal(expected.map(([name]) => name).sort(), Object.keys(gradients).sort());
    for (const [name, gradient] of expected) close(gradients[name], gradient, 1e-3, name);
  }
  const released = lossesOf(taskOf({ ...FIRST, target: "velocity" }), params, params, batch);
  close(released.methods[0], [scalarOf(given["velocity.loss"])], 1e-5, "loss of the velocity");
});

test("the second stage's loss and gradients, with a frozen teacher that is told what is dropped", async () => {
  const params = { ...backbone, ...projector };
  // A moving average that has nothing to do with it.
  const average = mapParams(params, (p) => tf.zerosLike(p));
  for (const { method, losses, gradients } of await bothWays(
    taskOf(SECOND),
    ...([params, batch, average, frozen] as const),
  )) {
    close(method, [scalarOf(given["guided.loss"])], 1e-5, "loss");
    const total = losses.generative.dataSync()[0] + 0.5 * losses["self-transcendence"].dataSync()[0];
    assert.ok(Math.abs(total / scalarOf(given["guided.total"]) - 1) < 1e-5);
    const expected = gradientsOf("guided");
    assert.equal(expected.map(([name]) => name).sort(), Object.keys(gradients).sort());
    for (const [name, gradient] of expected) close(gradients[name], gradient, 1e-3, name);
  }
});

test("a network that knows no classes learns the teacher's features as they are", () => {
  const model = { ...MODEL, numClasses: 0 };
  const own = (of: typeof frozen) =>
    Object.fromEntries(Object.entries(of).filter(([name]) => !name.startsWith("y_embedder")));
  const of = (guidance: number) => {
    const task = makeTask({ model, process: SIT_PROCESS, methods: [{ ...SECOND, guidance }] });
    const params = { ...own(backbone), ...projector };
    const seen = { ...batch, condition: {} };
    return lossesOf(task, params, params, seen, { frozen: own(frozen) }).methods[0].dataSync()[0];
  };
  assert.is(of(30), of(1));
});

test("tokens with times of their own are looked at by their times", () => {
  const params = { ...backbone, ...heads };
  const lossAt = (times: readonly [number, number]) =>
    lossesOf(taskOf({ ...FIRST, times }), params, params, each).methods[0].dataSync()[0];
  const each = { ...batch, t: tf.tile(tf.linspace(0, 1, 16).reshape([1, 16]), [4, 1]) };
  // The halves of the tokens make up the whole.
  const whole = lossAt([0, 1]);
  assert.ok(Math.abs((lossAt([0, 0.5]) + lossAt([0.5, 1])) / whole - 1) < 1e-5);
  assert.ok(lossAt([0, 0.5]) < whole && lossAt([0.5, 1]) < whole);
});

test("presets: blocks by depth, guidance by what a network is told, an end of the second stage; faults", () => {
  const first = methodPreset("self-transcendence-1", { depth: 12, process: SIT_PROCESS });
  assert.equal(first, { ...FIRST, headWidth: 2048, block: 2 });
  const second = (depth: number, captions = false) => {
    const preset = methodPreset("self-transcendence", { depth, process: SIT_PROCESS, captions });
    const { studentBlock, teacherBlock, guidance } = preset as SelfTranscendenceConfig;
    return [studentBlock, teacherBlock, guidance];
  };
  assert.equal(
    [second(12), second(24, true)],
    [
      [6, 8, 30],
      [12, 16, 5],
    ],
  );
  const { weight } = methodPreset("self-transcendence", { depth: 12, process: SIT_PROCESS });
  assert.equal(
    [0, 99_999, 100_000, 400_000].map((step) => scheduleAt(weight, step)),
    [0.5, 0.5, 0, 0],
  );
  for (const method of [FIRST, SECOND]) {
    const faultsOf = (process: typeof SIT_PROCESS | typeof DIT_PROCESS, times: readonly [number, number]) =>
      makeTask({ model: MODEL, process, methods: [{ ...method, times }] }).methods[0].faults;
    assert.equal(faultsOf(SIT_PROCESS, [0.7, 0.4]), [["times", "the first time and then the last"]]);
    assert.equal(
      faultsOf(DIT_PROCESS, [0.4, 0.7]).map(([field]) => field),
      ["method"],
    );
  }
});

test.run();
