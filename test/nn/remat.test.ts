/** Recomputation: the same numbers, with less kept. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { attention, mlp, remat } from "../../lib/nn/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const WIDTH = 32;
const DEPTH = 6;
const random = randomGenerator(1);
const layer = (outSize: number, inSize: number): Tensor[] => [
  tf.mul(normalTensor(random, [outSize, inSize]), 0.06),
  normalTensor(random, [outSize]),
];
const SHAPES = { "attn.qkv": [3, 1], "attn.proj": [1, 1], "mlp.fc1": [4, 1], "mlp.fc2": [1, 4] };
const names = Object.keys(SHAPES).flatMap((name) => [`${name}.weight`, `${name}.bias`]);
const weights = Array.from({ length: DEPTH }, () =>
  Object.values(SHAPES).flatMap(([out, into]) => layer(out * WIDTH, into * WIDTH)),
).flat();
const tokens = normalTensor(random, [4, 64, WIDTH]);

/** Attention and MLP, added to x. */
function block(x: Tensor, ...values: Tensor[]): Tensor {
  const params: Params = Object.fromEntries(names.map((name, i) => [name, values[i]]));
  const middle = tf.add(x, attention(params, "attn", x, 2));
  return tf.add(middle, mlp(params, "mlp", middle));
}

/** A loss of a few blocks, its value and its gradients by the input and all weights. */
const lossOf =
  (apply: (x: Tensor, ...values: Tensor[]) => Tensor) =>
  (x: Tensor, weights: Tensor[]): { value: Tensor; gradients: Tensor[] } => {
    const loss = (x: Tensor, ...all: Tensor[]): Tensor => {
      const layers = Array.from({ length: DEPTH }, (_, i) =>
        all.slice(i * names.length, (i + 1) * names.length),
      );
      return tf.mean(tf.square(layers.reduce((h, values) => apply(h, ...values), x)));
    };
    const { value, grads } = tf.valueAndGrads(loss as never)([x, ...weights]);
    return { value, gradients: grads };
  };

const plain = lossOf(block);
const again = lossOf((x, ...values) => remat(block, x, ...values));

const compare = (actual: ReturnType<typeof plain>, expected: ReturnType<typeof plain>): void => {
  const pairs = [
    [actual.value, expected.value],
    ...expected.gradients.map((g, i) => [actual.gradients[i], g]),
  ];
  for (const [a, b] of pairs) assert.ok(relativeError(a.dataSync(), b.dataSync()) < 1e-5);
};

test("values and gradients are those of the function itself, eager and compiled", async () => {
  const expected = plain(tokens, weights);
  compare(again(tokens, weights), expected);
  const compiled = jit(again);
  compare(await compiled(tokens, weights), expected);
  await compiled.dispose();
});

test("less than half of the values in between are kept", async () => {
  const [a, b] = [jit(plain), jit(again)];
  const kept = await a.profile([tokens, weights], { runs: 1 });
  const remade = await b.profile([tokens, weights], { runs: 1 });
  assert.ok(
    remade.memory.between < kept.memory.between / 2,
    `${remade.memory.between} of ${kept.memory.between} bytes`,
  );
  // Again are made: the forward products of each block but the last of its MLP, whose value no gradient reads.
  assert.ok(
    remade.flops > 1.2 * kept.flops && remade.flops < (4 / 3) * kept.flops,
    `${remade.flops / kept.flops}`,
  );
});

test("without a gradient it is the function", () => {
  const [first] = [weights.slice(0, names.length)];
  assert.equal(remat(block, tokens, ...first).dataSync(), block(tokens, ...first).dataSync());
});

test("second derivatives go through it", () => {
  const cube = (x: Tensor) => tf.mul(tf.square(x), x);
  const second = tf.grad((x) => tf.sum(tf.grad((x) => tf.sum(remat(cube, x)))(x)));
  assert.equal([...second(tf.tensor1d([1, 2])).dataSync()], [6, 12]);
});

test("no tensors are left behind", () => {
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    again(tokens, weights);
  });
  assert.is(tf.memory().numTensors, before);
});

test.run();
