import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf, valueAndGrad, valueAndGradWith } from "../../lib/tensor/index.ts";

interface Layer {
  w: Tensor;
  deep: { b: Tensor; idle: Tensor }[];
}

const params: Layer = {
  w: tf.tensor1d([1, 2]),
  deep: [{ b: tf.scalar(3), idle: tf.tensor2d([[5, 6]]) }],
};
/** sum(w^2) b c, whose gradients are 2 w b c and sum(w^2) c. */
const loss = ({ w, deep: [{ b }] }: Layer, c: Tensor): Tensor => tf.mul(tf.mul(tf.sum(tf.square(w)), b), c);

test("the gradient is a tree like the parameters; what is not used has none, what lies beside is constant", async () => {
  const compiled = jit((params: Layer, c: Tensor) => valueAndGrad(loss)(params, c));
  for (const of of [valueAndGrad(loss), compiled]) {
    const { value, gradient } = await of(params, tf.scalar(2));
    assert.is(value.dataSync()[0], 30);
    assert.equal([...gradient.w.dataSync()], [12, 24]);
    assert.is(gradient.deep[0].b.dataSync()[0], 10);
    assert.equal([...gradient.deep[0].idle.dataSync()], [0, 0]);
    assert.equal(gradient.deep[0].idle.shape, [1, 2]);
  }
  await compiled.dispose();
});

test("what else a function returns comes back, and nothing stays behind", () => {
  const before = tf.memory().numTensors;
  const both = valueAndGradWith((params: Layer) => {
    const squares = tf.square(params.w);
    return { loss: tf.sum(squares), aux: { squares, count: 2 } };
  });
  const { value, gradient, aux } = both(params);
  assert.equal([...aux.squares.dataSync()], [1, 4]);
  assert.is(aux.count, 2);
  tf.dispose([value, gradient.w, gradient.deep[0].b, gradient.deep[0].idle, aux.squares]);
  assert.is(tf.memory().numTensors, before);
});

test("gradients of gradients, and a loss that is no scalar", () => {
  const cube = (x: Tensor): Tensor => tf.mul(tf.square(x), x);
  const slope = (x: Tensor): Tensor => valueAndGrad(cube)(x).gradient;
  assert.is(valueAndGrad(slope)(tf.scalar(2)).gradient.dataSync()[0], 12);
  assert.throws(
    () => valueAndGrad((x: Tensor) => x)(tf.tensor1d([1, 2])),
    /the loss must be a scalar, got \[2\]/,
  );
});

test("one tensor in several places has the gradient of each place, and beside the parameters is constant", async () => {
  const product = ({ p, q }: { p: Tensor; q: Tensor }, c: Tensor): Tensor => tf.sum(tf.mul(tf.mul(p, q), c));
  const x = tf.tensor1d([1, 2]);
  const compiled = jit((tree: { p: Tensor; q: Tensor }, c: Tensor) => valueAndGrad(product)(tree, c));
  const inside = jit((x: Tensor) => valueAndGrad(product)({ p: x, q: x }, x));
  for (const { value, gradient } of [
    valueAndGrad(product)({ p: x, q: x }, x),
    await compiled({ p: x, q: x }, x),
    await inside(x),
  ]) {
    assert.is(value.dataSync()[0], 9);
    // d/dp of sum(p q c) is q c, whatever else is the same tensor.
    for (const part of [gradient.p, gradient.q]) assert.equal([...part.dataSync()], [1, 4]);
  }
  await Promise.all([compiled.dispose(), inside.dispose()]);
  // A value that is a parameter is another tensor: letting it go leaves the parameter.
  const scalar = tf.scalar(3);
  const { value, gradient } = valueAndGrad((x: Tensor) => x)(scalar);
  value.dispose();
  assert.equal([scalar.dataSync()[0], gradient.dataSync()[0]], [3, 1]);
});

test("integers and bools are constants, whose gradient is 0, also where they are used", async () => {
  const tree = {
    table: tf.tensor2d([[1], [2], [3]]),
    rows: tf.tensor1d([2, 2, 0], "int32"),
    seen: tf.tensor1d([true, true, false], "bool"),
  };
  const sum = ({ table, rows, seen }: typeof tree): Tensor =>
    tf.sum(tf.mul(tf.gather(table, rows), tf.reshape(tf.cast(seen, "float32"), [3, 1])));
  const compiled = jit((given: typeof tree) => valueAndGrad(sum)(given));
  for (const { value, gradient } of [valueAndGrad(sum)(tree), await compiled(tree)]) {
    assert.is(value.dataSync()[0], 6);
    assert.equal([...gradient.table.dataSync()], [0, 0, 2]);
    for (const part of [gradient.rows, gradient.seen]) {
      assert.equal([...part.dataSync()], [0, 0, 0]);
      assert.is(part.dtype, "float32");
    }
  }
  await compiled.dispose();
  const message = (got: string): RegExp =>
    new RegExp(`^valueAndGrad: params must hold a float32 tensor to differentiate by, got ${got}$`);
  assert.throws(() => valueAndGrad((_: object) => tf.scalar(1))({ n: 3 }), message("no tensor"));
  const { rows, seen } = tree;
  assert.throws(() => valueAndGrad((_: object) => tf.scalar(1))({ rows, seen }), message("int32, bool"));
});

test("what is not used has the gradient 0, whatever it holds", async () => {
  const tree = { used: tf.tensor1d([1, 2]), idle: tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY, -1]) };
  const sum = ({ used }: typeof tree): Tensor => tf.sum(tf.square(used));
  const compiled = jit((given: typeof tree) => valueAndGrad(sum)(given));
  for (const { gradient } of [valueAndGrad(sum)(tree), await compiled(tree)])
    assert.equal([...gradient.idle.dataSync()], [0, 0, 0]);
  await compiled.dispose();
});

test("a gradient that fails leaves nothing, and the next one is right", () => {
  const x = tf.tensor1d([1, 2]);
  const before = tf.memory().numTensors;
  const fails: [(p: Tensor) => { loss: Tensor; aux?: unknown }, RegExp][] = [
    [
      (p) => ({ loss: tf.mul(p, 2), aux: [tf.square(p)] }),
      /^valueAndGrad: the loss must be a scalar, got \[2\]$/,
    ],
    [() => ({ loss: undefined as never }), /^valueAndGrad: the loss must be a scalar, got undefined$/],
    [(p) => ({ loss: tf.sum(tf.square(p)), aux: [tf.mul(p, 2), new Date()] }), /^tree leaf '1' is a Date/],
    [
      (p) => {
        tf.mul(tf.square(p), 3);
        throw new Error("stop");
      },
      /^stop$/,
    ],
    [
      (p) => {
        const inner = valueAndGrad((q: Tensor) => tf.mul(tf.square(q), p))(p);
        return { loss: inner.value };
      },
      /must be a scalar/,
    ],
  ];
  for (const [fn, message] of fails)
    for (let i = 0; i < 2; i++) assert.throws(() => valueAndGradWith(fn)(x), message);
  assert.is(tf.memory().numTensors, before);
  const { gradient } = valueAndGrad((p: Tensor) => tf.sum(tf.square(p)))(x);
  assert.equal([...gradient.dataSync()], [2, 4]);
});

test.run();
