/** The gradient of an attention by its parameters: exactly 0 for the keys' own bias, the composed form's elsewhere. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SRA_DEFAULTS } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { tensorsOf } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { scaledDotProductAttention } from "../../lib/nn/attention.ts";
import { attention, layerNorm, linear, remat } from "../../lib/nn/index.ts";
import {
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
  valueAndGrad,
} from "../../lib/tensor/index.ts";
import {
  initTrainState,
  makeTask,
  type StepScalars,
  type TrainState,
  trainStep,
} from "../../lib/train/index.ts";
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
      Object.values(
        valueAndGrad((own: Params) => tf.sum(tf.mul(form({ ...params, ...own }, x), target)))(
          Object.fromEntries(names.map((name) => [name, params[name]])),
        ).gradient,
      );
  const own = gradientsBy((params, x) => attention(params, "attn", x, HEADS, { qkNorm }));
  const again = gradientsBy((params, x) =>
    remat(
      (x, ...values) => {
        const given = Object.fromEntries(names.map((name, i) => [name, values[i]]));
        return attention(given, "attn", x, HEADS, { qkNorm });
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

test("a mask hides keys: as if they were not there, in values and gradients", async () => {
  const mask = tf.tensor3d(
    [0, 1].map((sample) =>
      Array.from({ length: 5 }, (_, q) =>
        Array.from({ length: 5 }, (_, k) => q < 2 === k < 2 || (sample === 1 && k === 4)),
      ),
    ),
    [2, 5, 5],
    "bool",
  );
  const hidden = tf.mul(tf.sub(1, tf.cast(tf.expandDims(mask, 1), "float32")), -1e9);
  const [q, k, v] = [5, 6, 7].map((seed) => normalTensor(randomGenerator(seed), [2, 3, 5, 4]));
  const target = normalTensor(randomGenerator(8), [2, 3, 5, 4]);
  const byHand = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
    tf.matMul(tf.softmax(tf.add(tf.div(tf.matMul(q, k, false, true), 2), hidden)), v);
  const of = (form: (q: Tensor, k: Tensor, v: Tensor) => Tensor) => (q: Tensor, k: Tensor, v: Tensor) =>
    valueAndGrad(([q, k, v]: Tensor[]) => tf.sum(tf.mul(form(q, k, v), target)))([q, k, v]);
  const expected = of(byHand)(q, k, v);
  const masked = of((q, k, v) => scaledDotProductAttention(q, k, v, mask));
  const compiled = jit((q: Tensor, k: Tensor, v: Tensor, mask: Tensor) =>
    of((q, k, v) => scaledDotProductAttention(q, k, v, mask))(q, k, v),
  );
  for (const got of [masked(q, k, v), await compiled(q, k, v, mask)]) {
    assert.ok(relativeError(got.value, expected.value) < 1e-5);
    got.gradient.forEach((g, i) => {
      assert.ok(relativeError(g, expected.gradient[i]) < 1e-5);
    });
  }
  await compiled.dispose();
});

test("a mask of another shape or type is refused", () => {
  const q = normalTensor(randomGenerator(5), [2, 3, 5, 4]);
  const refused = (mask: Tensor, got: string): void =>
    assert.throws(
      () => scaledDotProductAttention(q, q, q, mask),
      new RegExp(`^an attention mask must be bool \\[2 or 1,5,5\\], by query and key, got ${got}$`),
    );
  refused(tf.ones([5, 5], "bool"), "bool \\[5,5\\]");
  refused(tf.ones([3, 5, 5], "bool"), "bool \\[3,5,5\\]");
  refused(tf.ones([2, 5, 1], "bool"), "bool \\[2,5,1\\]");
  // One that is added to the scores would be read the wrong way round.
  refused(tf.zeros([1, 5, 5]), "float32 \\[1,5,5\\]");
});

test("a query that may attend to nothing gets the mean of all values, as the documentation says", () => {
  const [q, k, v] = [5, 6, 7].map((seed) => normalTensor(randomGenerator(seed), [2, 3, 5, 4]));
  const mean = tf.tile(tf.mean(v, 2, true), [1, 1, 5, 1]);
  const out = scaledDotProductAttention(q, k, v, tf.zeros([1, 5, 5], "bool"));
  assert.ok(relativeError(out, mean) < 1e-5);
});

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
  const batch = { x, noise, t, condition: { y }, draws: [{ interval: k }] };
  const task = makeTask({
    model: TINY,
    process: SIT_PROCESS,
    methods: [{ ...SRA_DEFAULTS, studentBlock: 1, teacherBlock: 3 }],
  });
  const biasAfter = async (microBatches: number): Promise<ArrayLike<number>> => {
    const options = {
      adamW: { betas: [0.9, 0.999] as [number, number], epsilon: 1e-8, weightDecay: 0.01 },
      maxGradientNorm: 1,
      microBatches,
    };
    const step = jit(
      (state: TrainState, scalars: StepScalars) => trainStep(task, state, batch, scalars, options),
      { threads: 1 },
    );
    let state: TrainState = { ...initTrainState(task, student), ema: await weights("sit-ema.safetensors") };
    const scalars = {
      learningRate: tf.scalar(1e-3),
      weights: [tf.scalar(0.2)],
      emaDecay: tf.scalar(0.999),
    };
    for (let i = 0; i < 3; i++) ({ state } = await step(state, scalars));
    await step.dispose();
    return state.params["blocks.0.attn.qkv.bias"].dataSync();
  };
  const whole = await biasAfter(1);
  const before = student["blocks.0.attn.qkv.bias"].dataSync();
  for (let i = 24; i < 48; i++) assert.ok(Math.abs(whole[i] - before[i] * (1 - 1e-5) ** 3) < 2e-8, `${i}`);
  for (const microBatches of [2, 4]) assert.ok(relativeError(await biasAfter(microBatches), whole) < 2e-5);
});

test.run();
