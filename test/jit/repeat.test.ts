import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit, loop } from "../../lib/jit/index.ts";
import { traceOnce } from "../../lib/jit/repeat.ts";
import { inOrder } from "../../lib/nn/fused.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

const cube = ({ x }: { x: Tensor }): { value: Tensor; slope: Tensor } => {
  const { value, grads } = tf.valueAndGrads((x) => tf.sum(tf.mul(tf.square(x), x)) as never)([x]);
  return { value, slope: grads[0] };
};

test("a piece runs its function once, and computes what several calls of it would", async () => {
  let calls = 0;
  const compiled = jit((rows: Tensor, offset: Tensor) => {
    const piece = traceOnce((part: { x: Tensor }) => {
      calls++;
      return cube({ x: tf.add(part.x, offset) });
    });
    return tf.split(rows, 3).map((x) => piece({ x }));
  });
  const rows = tf.tensor2d([
    [1, 2],
    [3, -4],
    [0.5, 0],
  ]);
  const parts = await compiled(rows, tf.scalar(0.25));
  assert.is(calls, 1);
  for (const [i, { value, slope }] of parts.entries()) {
    const x = (rows.arraySync() as number[][])[i].map((number) => number + 0.25);
    assert.equal(value.dataSync(), Float32Array.of(x.reduce((sum, n) => sum + n ** 3, 0)));
    assert.equal(
      slope.dataSync(),
      Float32Array.from(x, (n) => 3 * n * n),
    );
  }
  await compiled.dispose();
});

test("calls may follow one another, with other shapes between", async () => {
  const compiled = jit((x: Tensor) => {
    const double = traceOnce((y: Tensor) => tf.mul(y, tf.add(y, 1)));
    return [double(double(double(x))), double(tf.reshape(x, [-1])), double(x)];
  });
  const results = await compiled(tf.tensor2d([[1], [2]]));
  assert.equal(
    results.map((result) => [result.shape, [...result.dataSync()]]),
    [
      [
        [2, 1],
        [42, 1806],
      ],
      [[2], [2, 6]],
      [
        [2, 1],
        [2, 6],
      ],
    ],
  );
  await compiled.dispose();
});

test("pieces within pieces", async () => {
  const compiled = jit((x: Tensor) => {
    const outer = traceOnce((y: Tensor) => {
      const inner = traceOnce((z: Tensor) => tf.mul(z, tf.add(y, z)));
      return tf.sub(inner(y), inner(tf.add(y, 1)));
    });
    return [outer(x), outer(tf.mul(x, 2))];
  });
  const results = await compiled(tf.tensor1d([1, 3]));
  // 2 y^2 - (y + 1) (2 y + 1)
  const expected = (y: number): number => 2 * y * y - (y + 1) * (2 * y + 1);
  assert.equal(
    results.map((result) => [...result.dataSync()]),
    [
      [expected(1), expected(3)],
      [expected(2), expected(6)],
    ],
  );
  await compiled.dispose();
});

test("what is to come first is still computed first when onnxruntime has optimized the graph", async () => {
  const compiled = jit((x: Tensor, a: Tensor) => [inOrder(x, [tf.sin(a)]), tf.sin(a)]);
  const { operators } = await compiled.profile([tf.ones([4]), tf.ones([4])], { runs: 1 });
  // A size is known before, and would be folded into a constant by an optimizer that looked at shapes alone.
  assert.is(operators.find(({ operator }) => operator === "Size")?.calls, 1);
  await compiled.dispose();
});

test("outside a trace it is the function", () => {
  let calls = 0;
  const twice = traceOnce((x: Tensor) => {
    calls++;
    return tf.mul(x, 2);
  });
  assert.equal([...twice(tf.scalar(2)).dataSync(), ...twice(tf.scalar(3)).dataSync()], [4, 6]);
  assert.is(calls, 2);
});

test("a loop within a piece is refused", async () => {
  const compiled = jit((x: Tensor) => traceOnce((y: Tensor) => loop(2, y, (z) => tf.mul(z, 2)))(x));
  await rejects(compiled(tf.scalar(1)), /loop within traceOnce cannot be copied/);
});

test.run();
