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

test.run();
