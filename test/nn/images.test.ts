/** Convolutions on [B,C,H,W] by their definitions. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { conv2d, upsampleConv2d } from "../../lib/nn/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const random = randomGenerator(3);
const layer = (out: number, channels: number, kernel = 3): Params => ({
  "conv.weight": normalTensor(random, [out, channels, kernel, kernel]),
  "conv.bias": normalTensor(random, [out]),
});

/** PyTorch's Conv2d, number by number. */
function byDefinition(params: Params, x: Tensor, stride: number, padding: number[]): Tensor {
  const [weight, bias] = [params["conv.weight"], params["conv.bias"].dataSync()];
  const [out, channels, kh, kw] = weight.shape;
  const [batch, , height, width] = x.shape;
  const [top, bottom, left, right] = padding;
  const rows = Math.floor((height! + top + bottom - kh) / stride) + 1;
  const columns = Math.floor((width! + left + right - kw) / stride) + 1;
  const w = weight.arraySync() as number[][][][];
  const images = x.arraySync() as number[][][][];
  const y = tf.buffer([batch, out, rows, columns]);
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < out; o++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          let sum = bias[o];
          for (let c = 0; c < channels; c++)
            for (let a = 0; a < kh; a++)
              for (let b = 0; b < kw; b++)
                sum += w[o][c][a][b] * (images[n][c][i * stride + a - top]?.[j * stride + b - left] ?? 0);
          y.set(sum, n, o, i, j);
        }
  return y.toTensor();
}

test("conv2d is PyTorch's, with any stride and padding, eager and compiled", async () => {
  const cases = [
    { kernel: 3, stride: 1, padding: [1, 1, 1, 1] as const },
    { kernel: 3, stride: 2, padding: [0, 1, 0, 1] as const },
    { kernel: 3, stride: 2, padding: [1, 0, 0, 2] as const },
    { kernel: 1, stride: 1, padding: [0, 0, 0, 0] as const },
  ];
  const x = normalTensor(random, [2, 3, 6, 4]);
  for (const { kernel, ...options } of cases) {
    const params = layer(5, 3, kernel);
    const run = (params: Params, x: Tensor): Tensor => conv2d(params, "conv", x, options);
    const expected = byDefinition(params, x, options.stride, [...options.padding]);
    for (const f of [run, jit(run)]) {
      const y = await f(params, x);
      assert.equal(y.shape, expected.shape);
      assert.ok(relativeError(y, expected) < 2e-6, JSON.stringify(options));
    }
  }
  const padded = conv2d(layer(5, 3), "conv", x, { padding: 1 });
  assert.equal(padded.shape, [2, 5, 6, 4]);
});

test("conv2d moves nothing in a compiled graph", () => {
  const [params, x] = [layer(5, 3), normalTensor(random, [1, 3, 6, 4])];
  const run = (params: Params, x: Tensor): Tensor =>
    tf.sin(conv2d(params, "conv", tf.cos(x), { padding: 1 }));
  assert.equal(jit(run).lower([params, x]).operators, { Cos: 1, Conv: 1, Sin: 1 });
});

test("upsampleConv2d equals a convolution of the doubled image, eager and compiled, with its gradients", async () => {
  const [params, x] = [layer(4, 3), normalTensor(random, [2, 3, 3, 5])];
  const weight = normalTensor(random, [2, 4, 6, 10]);
  const doubled = (x: Tensor): Tensor => {
    const [b, c, h, w] = x.shape;
    const rows = tf.reshape(tf.stack([x, x], 3), [b, c, 2 * h!, w!]);
    return tf.reshape(tf.stack([rows, rows], 4), [b, c, 2 * h!, 2 * w!]);
  };
  const all = (f: (params: Params, x: Tensor) => Tensor) => (params: Params, x: Tensor) => ({
    value: f(params, x),
    gradients: tf.grads((x, w, b) =>
      tf.sum(tf.mul(tf.square(f({ "conv.weight": w, "conv.bias": b }, x)), weight)),
    )([x, params["conv.weight"], params["conv.bias"]]),
  });
  const direct = all((params, x) => conv2d(params, "conv", doubled(x), { padding: 1 }))(params, x);
  assert.ok(relativeError(direct.value, byDefinition(params, doubled(x), 1, [1, 1, 1, 1])) < 2e-6);
  const run = all((params, x) => upsampleConv2d(params, "conv", x));
  for (const f of [run, jit(run)]) {
    const { value, gradients } = await f(params, x);
    assert.equal(value.shape, [2, 4, 6, 10]);
    assert.ok(relativeError(value, direct.value) < 2e-6);
    for (const [i, gradient] of gradients.entries())
      assert.ok(relativeError(gradient, direct.gradients[i]) < 1e-5, `gradient ${i}`);
  }
});

test("what does not fit is said", () => {
  const params = layer(4, 3);
  assert.throws(() => conv2d(params, "conv", tf.zeros([1, 2, 4, 4])), /conv takes \[batch,3,.*\[1,2,4,4\]/);
  assert.throws(() => upsampleConv2d(params, "conv", tf.zeros([3, 4, 4])), /conv takes \[batch,3/);
  assert.throws(
    () => upsampleConv2d(layer(4, 3, 1), "conv", tf.zeros([1, 3, 4, 4])),
    /kernel of 3x3, got 1x1/,
  );
  assert.throws(() => conv2d({}, "conv", tf.zeros([1, 2, 4, 4])), /'conv.weight' is missing/);
});

test.run();
