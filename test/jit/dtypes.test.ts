/** Every operation on every element type: what tfjs's cpu backend gives, or one sentence that says why not. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";

const DTYPES = ["float32", "int32", "bool"] as const;
type Dtype = (typeof DTYPES)[number];
// biome-ignore lint/suspicious/noExplicitAny: operations are called with tensors of ranks that their types do not allow.
type Fn = (...tensors: any[]) => Tensor;

const VALUES: Record<Dtype, number[]> = {
  float32: [1.5, -2, 0.5, 2, 3, -1.25],
  int32: [1, -2, 4, 2, 3, -5],
  bool: [1, 0, 1, 0, 0, 1],
};
const matrix = (dtype: Dtype, i: number): Tensor => {
  const values = i === 0 ? VALUES[dtype] : [...VALUES[dtype]].reverse();
  return tf.tensor(values, [2, 3], dtype);
};
const image = (dtype: Dtype): Tensor => {
  const value = { float32: (i: number) => ((i * 7) % 11) / 3 - 1, int32: (i: number) => (i % 7) - 3 };
  const values = Array.from({ length: 32 }, (_, i) => (dtype === "bool" ? +(i % 3 === 0) : value[dtype](i)));
  return tf.tensor(values, [1, 4, 4, 2], dtype);
};

const named = (names: string): [string, Fn][] =>
  names.split(" ").map((name) => [name, (tf as unknown as Record<string, Fn>)[name]]);
const along = (names: string): [string, Fn][] =>
  named(names).flatMap(([name, fn]): [string, Fn][] => [
    [`${name} of rows`, (x) => fn(x, 1)],
    [`${name} of columns`, (x) => fn(x, 0)],
  ]);

const UNARY: [string, Fn][] = [
  ...named(
    "abs neg sign ceil floor round sqrt rsqrt square reciprocal exp expm1 log log1p sin cos tan asin acos atan sinh " +
      "cosh asinh acosh atanh tanh erf sigmoid softplus relu relu6 elu selu isNaN isInf isFinite logicalNot clone " +
      "logSigmoid sum mean prod max min norm transpose diag",
  ),
  ...along("sum mean prod max min argMax argMin cumsum cumprod"),
  ...named("all any softmax logSoftmax logSumExp"),
  ["leakyRelu", (x) => tf.leakyRelu(x, 0.3)],
  ["step", (x) => tf.step(x)],
  ["step of 0.25", (x) => tf.step(x, 0.25)],
  ["step of 2", (x) => tf.step(x, 2)],
  ["clip", (x) => tf.clipByValue(x, -0.5, 1.5)],
  ["clip from 2", (x) => tf.clipByValue(x, 2, 3)],
  ["cumsum, exclusive and reversed", (x) => tf.cumsum(x, 1, true, true)],
  ["cumprod, exclusive and reversed", (x) => tf.cumprod(x, 1, true, true)],
  ["topk, values", (x) => tf.topk(x, 2).values],
  ["topk, indices", (x) => tf.topk(x, 2).indices],
  ["variance", (x) => tf.moments(x, 1).variance],
  ["unstack", (x) => tf.unstack(x, 1)[1]],
  ["split", (x) => tf.split(x, 3, 1)[1]],
  [
    "pad",
    (x) =>
      tf.pad(x, [
        [1, 0],
        [0, 1],
      ]),
  ],
  [
    "pad with 1",
    (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 1],
        ],
        1,
      ),
  ],
  [
    "pad with 2",
    (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 1],
        ],
        2,
      ),
  ],
  [
    "mirrorPad",
    (x) =>
      tf.mirrorPad(
        x,
        [
          [1, 0],
          [0, 1],
        ],
        "symmetric",
      ),
  ],
  ["tile", (x) => tf.tile(x, [2, 2])],
  ["broadcastTo", (x) => tf.broadcastTo(x, [2, 2, 3])],
  ["reverse", (x) => tf.reverse(x, 1)],
  ["slice", (x) => tf.slice(x, [0, 1], [2, 2])],
  ["stridedSlice", (x) => tf.stridedSlice(x, [0, 0], [2, 3], [1, 2])],
  ["reshape", (x) => tf.reshape(x, [3, 2])],
  ["gather", (x) => tf.gather(x, tf.tensor1d([1, 0], "int32"))],
  ["gatherND", (x) => tf.gatherND(x, tf.tensor2d([[1, 0]], [1, 2], "int32"))],
  ["scatterND", (x) => tf.scatterND(tf.tensor2d([[1], [0]], [2, 1], "int32"), x, [3, 3])],
  ["oneHot", (x) => tf.oneHot(x, 3)],
  ["unsortedSegmentSum", (x) => tf.unsortedSegmentSum(x, tf.tensor1d([1, 0], "int32"), 2)],
  ...DTYPES.map((dtype): [string, Fn] => [`cast to ${dtype}`, (x) => tf.cast(x, dtype)]),
  ["batchNorm", (x) => tf.batchNorm(x, tf.tensor1d([0, 1, 2]), tf.tensor1d([1, 2, 3]))],
];

const BINARY: [string, Fn][] = [
  ...named(
    "add sub mul div floorDiv mod maximum minimum pow squaredDifference atan2 greater greaterEqual less lessEqual " +
      "equal notEqual logicalAnd logicalOr logicalXor divNoNan prelu",
  ),
  ["where", (a, b) => tf.where(tf.tensor2d([1, 0, 1, 0, 1, 0], [2, 3], "bool"), a, b)],
  ["addN", (a, b) => tf.addN([a, b])],
  ["matMul", (a, b) => tf.matMul(a, b, false, true)],
  ["matMul, transposed", (a, b) => tf.matMul(a, b, true)],
  ["dot", (a, b) => tf.dot(tf.reshape(a, [6]), tf.reshape(b, [6]))],
  ["einsum", (a, b) => tf.einsum("ij,kj->ik", a, b)],
  ["fused matMul", (a, b) => tf.fused.matMul({ a, b, transposeB: true, activation: "relu" })],
  ["concat", (a, b) => tf.concat([a, b], 1)],
  ["stack", (a, b) => tf.stack([a, b])],
  ["tensorScatterUpdate", (a, b) => tf.tensorScatterUpdate(a, tf.tensor2d([[1], [0]], [2, 1], "int32"), b)],
];

const IMAGES: [string, Fn][] = [
  ["maxPool", (x) => tf.maxPool(x, 2, 2, "same")],
  ["avgPool", (x) => tf.avgPool(x, 2, 2, "same")],
  ["conv2d", (x) => tf.conv2d(x, tf.ones([2, 2, 2, 1]), 1, "same")],
  ["conv2d by integers", (x) => tf.conv2d(x, tf.ones([2, 2, 2, 1], "int32"), 1, "same")],
  ["depthwiseConv2d", (x) => tf.depthwiseConv2d(x, tf.ones([2, 2, 2, 1]), 1, "same")],
  ["conv2dTranspose", (x) => tf.conv2dTranspose(x, tf.ones([2, 2, 1, 2]), [1, 5, 5, 1], 1, "valid")],
  ["resizeBilinear", (x) => tf.image.resizeBilinear(x, [3, 3])],
  ["resizeNearestNeighbor", (x) => tf.image.resizeNearestNeighbor(x, [3, 3])],
  ["depthToSpace", (x) => tf.depthToSpace(tf.concat([x, x], 3), 2, "NHWC")],
  [
    "spaceToBatchND",
    (x) =>
      tf.spaceToBatchND(
        x,
        [2, 2],
        [
          [0, 0],
          [0, 0],
        ],
      ),
  ],
  [
    "batchToSpaceND",
    (x) =>
      tf.batchToSpaceND(
        tf.tile(x, [4, 1, 1, 1]),
        [2, 2],
        [
          [0, 0],
          [0, 0],
        ],
      ),
  ],
];

/** What is refused, by operation and types; tfjs keeps numbers like 2 and 255 in what it calls bool, or mixes types up. */
const REFUSED: Record<string, RegExp> = {
  "add bool,bool": /^jit: a sum of bool tensors is not supported, .*; cast them to int32 or float32 before$/,
  "addN bool,bool": /^jit: a sum of bool tensors/,
  "sub bool,bool": /^jit: a difference of bool tensors/,
  "logSoftmax bool": /^jit: a difference of bool tensors/,
  "logSumExp bool": /^jit: a difference of bool tensors/,
  "step of 2 bool": /^jit: a step of bool tensors/,
  "clip from 2 bool": /^jit: a clip of bool tensors/,
  "pad with 2 bool": /^jit: padding with 2 of bool tensors/,
  "batchNorm bool": /^jit: batch normalization of bool tensors/,
  "concat bool,float32": /^jit: joining numbers to the end of bool tensors/,
  "concat bool,int32": /^jit: joining numbers to the end of bool tensors/,
  ...Object.fromEntries(
    ["matMul", "matMul, transposed", "dot", "fused matMul"].map((name) => [
      `${name} bool,bool`,
      /^jit: a product of bool tensors/,
    ]),
  ),
  ...Object.fromEntries(
    DTYPES.flatMap((a) => DTYPES.map((b) => [a, b]))
      .filter(([a, b]) => a !== b || a === "bool")
      .map(([a, b]) => [
        `einsum ${a},${b}`,
        /^jit: einsum of [\w ]+ tensors is not supported; expected all float32 or all int32$/,
      ]),
  ),
};

const attempt = async (fn: () => Tensor | Promise<Tensor>): Promise<Tensor | Error> => {
  try {
    return await fn();
  } catch (error) {
    return error as Error;
  }
};

const refused = new Set<string>();

async function compare(name: string, fn: Fn, inputs: Tensor[], dtypes: Dtype[]): Promise<void> {
  const label = `${name} ${dtypes}`;
  const expected = await attempt(() => fn(...inputs));
  const program = jit(fn as (...tensors: Tensor[]) => Tensor, { threads: 1, name: "types" });
  const actual = await attempt(() => program(...inputs));
  await program.dispose();
  if (REFUSED[label]) {
    refused.add(label);
    assert.instance(actual, Error, label);
    return assert.match((actual as Error).message, REFUSED[label], label);
  }
  if (expected instanceof Error) {
    assert.instance(actual, Error, label);
    return assert.is((actual as Error).message, expected.message, label);
  }
  if (actual instanceof Error) throw new Error(`${label}: ${actual.message}`);
  assert.equal([actual.dtype, actual.shape], [expected.dtype, expected.shape], label);
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  for (const [i, value] of b.entries())
    if (
      !Object.is(a[i], value) &&
      !(Math.abs(a[i] - value) <= 1e-5 * Math.abs(value) + 1e-6) &&
      a[i] !== value
    )
      assert.unreachable(`${label}: element ${i} is ${a[i]}, expected ${value}`);
}

for (const [name, fn] of UNARY)
  test(`${name} of every type`, async () => {
    for (const dtype of DTYPES) await compare(name, fn, [matrix(dtype, 0)], [dtype]);
  });

for (const [name, fn] of BINARY)
  test(`${name} of every two types`, async () => {
    for (const a of DTYPES)
      for (const b of DTYPES) await compare(name, fn, [matrix(a, 0), matrix(b, 1)], [a, b]);
  });

for (const [name, fn] of IMAGES)
  test(`${name} of images of every type`, async () => {
    for (const dtype of DTYPES) await compare(name, fn, [image(dtype)], [dtype]);
  });

test("every refusal is one that was met", () =>
  assert.equal([...refused].sort(), Object.keys(REFUSED).sort()));

test("NaN and infinities: places of the largest and smallest, extremes, and casts", async () => {
  const [n, i] = [Number.NaN, Number.POSITIVE_INFINITY];
  const rows = [n, 1, 2, 1, n, 2, 1, 2, n, n, n, n, -i, n, -i, i, n, i, 0, -0, 0, -i, -i, -i, i, i, i];
  const x = tf.tensor2d(rows, [9, 3]);
  for (const fn of [
    ...along("argMax argMin max min").map(([, fn]) => fn),
    (x: Tensor) => tf.max(x),
    (x: Tensor) => tf.cast(x, "int32"),
    (x: Tensor) => tf.oneHot(tf.cast(x, "int32"), 3),
  ] as Fn[]) {
    const program = jit(fn as (x: Tensor) => Tensor, { threads: 1, name: "types" });
    assert.equal([...(await program(x)).dataSync()], [...fn(x).dataSync()], String(fn));
    await program.dispose();
  }
});

test("tanh and sigmoid stay within their bounds, and what is subtracted near zero keeps its digits", async () => {
  const x = tf.linspace(-60, 60, 200_001);
  const program = jit((x: Tensor) => ({
    tanh: tf.tanh(x),
    sigmoid: tf.sigmoid(x),
    slope: tf.grad((x) => tf.sum(tf.tanh(x)))(x),
  }));
  const { tanh, sigmoid, slope } = await program(x);
  for (const [tensor, low, high] of [
    [tanh, -1, 1],
    [sigmoid, 0, 1],
    [slope, 0, 1],
  ] as const) {
    const values = tensor.dataSync();
    assert.ok(
      values.every((y) => y >= low && y <= high),
      `within ${low} and ${high}`,
    );
  }
  const small = tf.tensor1d([-1e-8, -1e-6, -1e-4, -1e-2, -0.5]);
  for (const fn of [tf.elu, tf.expm1, tf.selu]) {
    const compiled = jit((x: Tensor) => fn(x));
    const [a, b] = [(await compiled(small)).dataSync(), fn(small).dataSync()];
    for (const [i, y] of b.entries()) assert.ok(Math.abs(a[i] / y - 1) < 1e-6, `${fn.name} ${y}: ${a[i]}`);
    await compiled.dispose();
  }
  await program.dispose();
});

test.run();
