/** The gradient of an attention by its parameters: exactly 0 for the keys' own bias, the composed form's elsewhere. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { tensorsOf } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { attention, layerNorm, linear, remat } from "../../lib/nn/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { initTrainState, type TrainState, trainStep } from "../../lib/train/index.ts";
import { arrays, relativeError, TINY, weights } from "../parity.ts";

const [WIDTH, HEADS] = [12, 3];
const SHAPES = {
  "attn.qkv.weight": [3 * WIDTH, WIDTH],
  "attn.qkv.bias": [3 * WIDTH],
  "attn.q_norm.weight": [WIDTH / HEADS],
  "attn.q_norm.bias": [WIDTH / HEADS],
  "attn.k_norm.weight": [WIDTH / HEADS],
  "attn.k_norm.bias": [WIDTH / HEADS],
  "attn.proj.weight": [WIDTH, WIDTH],
  "attn.proj.bias": [WIDTH],
};
const random = randomGenerator(3);
const params: Params = Object.fromEntries(
  Object.entries(SHAPES).map(([name, shape]) => [name, normalTensor(random, shape)]),
);
const x = normalTensor(random, [2, 5, WIDTH]);

/** softmax(q k^T / sqrt(d)) v by core operations, which the tape differentiates. */
function composed(params: Params, x: Tensor, qkNorm: boolean): Tensor {
  const inHeads = (y: Tensor): Tensor =>
    tf.transpose(tf.reshape(y, [2, 5, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const [q, k, v] = tf.split(linear(params, "attn.qkv", x), 3, 2).map(inHeads);
  const norm = (name: string, y: Tensor): Tensor => (qkNorm ? layerNorm(params, name, y) : y);
  const scores = tf.matMul(norm("attn.q_norm", q), norm("attn.k_norm", k), false, true);
  const out = tf.matMul(tf.softmax(tf.div(scores, Math.sqrt(WIDTH / HEADS))), v);
  return linear(params, "attn.proj", tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [2, 5, WIDTH]));
}

for (const qkNorm of [false, true]) {
  const names = Object.keys(SHAPES).filter((name) => qkNorm || !name.includes("_norm"));
  const target = normalTensor(randomGenerator(4), x.shape);
  const gradientsBy =
    (form: (params: Params, x: Tensor) => Tensor) => (params: Params, x: Tensor, target: Tensor) =>
      tf.grads((...values) => {
        const own = Object.fromEntries(names.map((name, i) => [name, values[i] as Tensor]));
        return tf.sum(tf.mul(form({ ...params, ...own }, x), target));
      })(names.map((name) => params[name]));
  const own = gradientsBy((params, x) => attention(params, "attn", x, HEADS, qkNorm));
  const again = gradientsBy((params, x) =>
    remat(
      (x, ...values) => {
        const given = Object.fromEntries(names.map((name, i) => [name, values[i]]));
        return attention(given, "attn", x, HEADS, qkNorm);
      },
      x,
      ...names.map((name) => params[name]),
    ),
  );

  test(`${qkNorm ? "with" : "without"} query and key norms, eager, compiled and computed again`, async () => {
    const expected = gradientsBy((params, x) => composed(params, x, qkNorm))(params, x, target);
    const [compiled, compiledAgain] = [jit(own), jit(again)];
    const forms = [
      own(params, x, target),
      again(params, x, target),
      await compiled(params, x, target),
      await compiledAgain(params, x, target),
    ];
    for (const gradients of forms) {
      names.forEach((name, i) => {
        const [got, want] = [gradients[i].dataSync(), expected[i].dataSync()];
        const idle = qkNorm ? name === "attn.k_norm.bias" : name === "attn.qkv.bias";
        const from = qkNorm ? 0 : WIDTH;
        const zeros = idle ? got.slice(from, from + (qkNorm ? WIDTH / HEADS : WIDTH)) : [];
        assert.ok(
          Array.from(zeros).every((g) => g === 0),
          `${name}: ${zeros}`,
        );
        // What is computed of it is rounding.
        if (idle && qkNorm)
          assert.ok(
            want.every((g) => Math.abs(g) < 1e-5),
            `${name}: ${want}`,
          );
        else assert.ok(relativeError(got, want) < 1e-5, `${name}: ${relativeError(got, want)}`);
      });
    }
    await Promise.all([compiled.dispose(), compiledAgain.dispose()]);
  });
}

test("three training steps: parts of the batch do not move the keys' bias, which only decays", async () => {
  const student = await weights("sit-model.safetensors");
  const given = await arrays("sit-sra-loss-linear.npz");
  const { x, noise, t, k, y } = tensorsOf({
    x: given.x,
    noise: given.noise,
    t: given.t,
    k: given.k,
    y: given.y,
  });
  const biasAfter = async (microBatches: number): Promise<ArrayLike<number>> => {
    const step = jit(trainStep, { threads: 1 });
    let state: TrainState = { ...initTrainState(student), ema: await weights("sit-ema.safetensors") };
    const scalars = {
      learningRate: tf.scalar(1e-3),
      alignWeight: tf.scalar(0.2),
      emaDecay: tf.scalar(0.999),
    };
    for (let i = 0; i < 3; i++)
      ({ state } = await step(state, { x, noise, t, k, y }, scalars, {
        model: TINY,
        interpolant: "linear",
        sra: {
          studentBlock: 1,
          teacherBlock: 3,
          interval: [0, 0.2],
          projectionHead: true,
          distance: "smooth-l1",
        },
        adamW: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
        maxGradientNorm: 1,
        microBatches,
      }));
    await step.dispose();
    return state.params["blocks.0.attn.qkv.bias"].dataSync();
  };
  const whole = await biasAfter(1);
  const before = student["blocks.0.attn.qkv.bias"].dataSync();
  for (let i = 24; i < 48; i++) assert.ok(Math.abs(whole[i] - before[i] * (1 - 1e-5) ** 3) < 2e-8, `${i}`);
  for (const microBatches of [2, 4]) assert.ok(relativeError(await biasAfter(microBatches), whole) < 2e-5);
});

test.run();
