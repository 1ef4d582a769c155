/** Loops of the graph give what plain loops give, for any count, with captured values and with loops inside. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit, loop } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());
const count = (n: number): Tensor => tf.scalar(n, "int32");

test("one program serves every count, also none", async () => {
  const power = jit((x: Tensor, n: Tensor) => loop(n, tf.onesLike(x), (y) => tf.mul(y, x)));
  const x = tf.tensor1d([1, 2, -3]);
  for (const n of [0, 1, 2, 5])
    assert.equal(
      numbers(await power(x, count(n))),
      [1, 2, -3].map((v) => v ** n),
    );
  assert.is(power.stats.traces.length, 1);
});

test("the same loop compiled and eager, on a tree, with the index and captured tensors", async () => {
  const table = tf.tensor2d([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  const run = (x: Tensor, w: Tensor) =>
    loop(3, { x, sum: tf.zeros([2]) }, ({ x, sum }, index) => {
      const row = tf.gather(table, index as never) as Tensor;
      const next = tf.add(tf.matMul(w as never, x as never), tf.reshape(row, [2, 1]));
      return { x: next, sum: tf.add(sum, tf.reshape(next, [2])) };
    });
  const x = tf.tensor2d([[1], [2]]);
  const w = tf.tensor2d([
    [0, 1],
    [1, 1],
  ]);
  const [compiled, eager] = [await jit(run)(x, w), run(x, w)];
  assert.equal(numbers(compiled.x), numbers(eager.x));
  assert.equal(numbers(compiled.sum), numbers(eager.sum));
});

test("loops inside loops, and values that are used inside and outside", async () => {
  const run = (x: Tensor, n: Tensor) => {
    const squared = tf.square(x);
    const total = loop(n, x, (y) => loop(2, y, (z) => tf.add(z, squared)));
    return tf.add(total, squared);
  };
  const x = tf.tensor1d([1, 2]);
  assert.equal(numbers(await jit(run)(x, count(3))), [8, 30]);
});

test("a state that changes its shape is refused", async () => {
  const grow = jit((x: Tensor) => loop(2, x, (y) => tf.concat([y, y])));
  await rejects(grow(tf.tensor1d([1])), /loop: the state was float32\[1\] and became float32\[2\]/);
});

test("donated state is not overwritten while a loop still reads it", async () => {
  const run = (state: { p: Tensor }, n: Tensor) => ({
    state: { p: tf.mul(state.p, 2) },
    sum: loop(n, tf.zeros([2]), (y) => tf.add(y, state.p)),
  });
  const result = await jit(run, { donate: [0] })({ p: tf.tensor1d([1, 2]) }, count(3));
  assert.equal(numbers(result.sum), [3, 6]);
  assert.equal(numbers(result.state.p), [2, 4]);
});

test("a plain loop leaves its result alone behind, and takes nothing that is not its own", () => {
  const [x, other]: Tensor[] = [tf.tensor1d([1, 2]), tf.tensor1d([5, 6])];
  const run = (count: number | Tensor) =>
    loop(count, { x, kept: x, last: tf.scalar(-1, "int32") as Tensor }, ({ x, kept }, index) => {
      const unused = tf.neg(x);
      const next = index.dataSync()[0] === 1 ? other : tf.add(tf.mul(x, 2), tf.add(unused, 1));
      return { x: next, kept, last: index };
    });
  for (const times of [0, 1, 2, 5]) {
    const number = count(times);
    const before = tf.memory().numTensors;
    const results = [run(times), run(number)];
    for (const { x: result, kept, last } of results) {
      assert.equal(numbers(result), { 0: [1, 2], 1: [2, 3], 2: [5, 6], 5: [8, 9] }[times]);
      assert.is(kept, x);
      assert.equal(numbers(last), [times - 1]);
    }
    // The start of `last` belongs to the caller, who made it here.
    const made = results
      .flatMap(({ x: result, last }) => [result, last])
      .filter((t) => t !== x && t !== other);
    const starts = times > 0 ? 2 : 0;
    assert.is(tf.memory().numTensors - before, new Set(made).size + starts, `${times} iterations`);
    assert.equal(
      [numbers(x), numbers(other)],
      [
        [1, 2],
        [5, 6],
      ],
    );
  }
});

test("a plain loop within a gradient keeps what the gradient needs", () => {
  const f = (x: Tensor): Tensor => loop(3, x, (y) => tf.mul(y, x));
  assert.equal(numbers(tf.grad((x) => tf.sum(f(x)))(tf.tensor1d([2, 3]))), [32, 108]);
});

test.run();
