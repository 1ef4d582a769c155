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

test.run();
