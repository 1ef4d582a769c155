/** Native runs and the garbage collector. */
import v8 from "node:v8";
import vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc") as () => void;

test("the garbage collector takes nothing that a run still uses", async () => {
  const f = jit((x: Tensor) => {
    let y = x;
    for (let i = 0; i < 12; i++) y = tf.tanh(tf.matMul(y as never, x as never));
    return { y, rows: tf.sum(y, 1) };
  });
  const size = 160;
  const values = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i) / 10);
  const call = () => f(tf.tensor2d(values.slice(), [size, size]));
  const expected = (await call()).y.dataSync();
  for (let i = 0; i < 20; i++) {
    const running = [call(), call()];
    await new Promise(setImmediate);
    collect();
    // New arrays want the memory of those that were wrongly given up.
    const others = Array.from({ length: 8 }, () => new Float32Array(size * size).fill(9));
    for (const { y, rows } of await Promise.all(running)) {
      assert.equal(y.dataSync(), expected);
      assert.is(rows.size, size);
    }
    assert.is(others[0][0], 9);
  }
});

test("a profile counts each operator and product of one run", async () => {
  const f = jit((a: Tensor, b: Tensor) =>
    tf.relu(tf.matMul(tf.matMul(a as never, b as never), b as never, false, true)),
  );
  const args: [Tensor, Tensor] = [tf.ones([64, 32]), tf.ones([32, 48])];
  const { operators, products, nodes, seconds } = await f.profile(args, { runs: 3 });
  assert.equal(operators.map(({ operator, calls }) => [operator, calls]).sort(), [
    ["FusedMatMul", 1],
    ["MatMul", 1],
    ["Relu", 1],
  ]);
  assert.is(nodes, 3);
  assert.ok(Math.abs(operators.reduce((sum, { seconds }) => sum + seconds, 0) - seconds) < 1e-9);
  // Each of the two products is 2 x 64 x 32 x 48 operations.
  for (const { shapes, gflops, seconds } of products)
    assert.ok(Math.abs((gflops * seconds * 1e9) / (2 * 64 * 32 * 48) - 1) < 1e-6, shapes);
  assert.equal(products.map(({ shapes }) => shapes).sort(), ["64x32 32x48", "64x48 32x48"]);
  assert.not(args[0].isDisposed);
});

test("the environment sets the number of threads, and is checked", async () => {
  process.env.DITLAB_THREADS = "1";
  try {
    const f = jit((x: Tensor) => tf.sin(x));
    assert.is((await f(tf.scalar(0))).dataSync()[0], 0);
    await f.dispose();
    for (const wrong of ["0", "two", "1.5", "-1"]) {
      process.env.DITLAB_THREADS = wrong;
      assert.throws(
        () => jit((x: Tensor) => tf.sin(x)),
        (error: Error) =>
          error.message === `DITLAB_THREADS must be a number of threads from 1, got '${wrong}'`,
      );
    }
  } finally {
    delete process.env.DITLAB_THREADS;
  }
});

test.run();
