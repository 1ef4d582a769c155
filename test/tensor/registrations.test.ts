/** What is bundled of tfjs-core is what the installed version holds, and what the union package would register. */
import { readFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { REGISTRATIONS, registrations } from "../../lib/tensor/bundle-registrations.js";
import { tf } from "../../lib/tensor/index.ts";

test("the file is made of the installed tfjs-core", async () => {
  // As a truth value: a difference of thousands of lines is of no use.
  assert.ok((await readFile(REGISTRATIONS, "utf8")) === (await registrations()), "npm run build");
});

test("all that the union package registers is there", () => {
  const { _tfGlobals: registries } = globalThis as unknown as {
    _tfGlobals: Map<string, Map<string, unknown>>;
  };
  assert.is(registries.get("gradRegistry")?.size, 101);
  assert.is(
    [...registries.get("kernelRegistry")!.keys()].filter((key) => key.startsWith("cpu_")).length,
    172,
  );
  // 31 are tfjs-core's own.
  assert.is(Object.getOwnPropertyNames(tf.Tensor.prototype).length, 154);
});

// Values are apart: where the largest changes there is no derivative.
test("gradients that compute with what tfjs-core does not export", () => {
  const image = tf.tensor4d(
    Array.from({ length: 32 }, (_, i) => ((i * 13) % 32) / 16 - 1),
    [1, 4, 4, 2],
  );
  const filter = tf.tensor4d(
    Array.from({ length: 24 }, (_, i) => Math.cos(i)),
    [2, 2, 2, 3],
  );
  const epsilon = 1e-2;
  const functions: Record<string, (x: typeof image) => unknown> = {
    conv2d: (x) => tf.conv2d(x, filter, 1, "same"),
    maxPool: (x) => tf.maxPool(x, 2, 2, "same"),
    avgPool: (x) => tf.avgPool(x, 2, 1, "valid"),
    resizeBilinear: (x) => tf.image.resizeBilinear(x, [7, 7]),
    prod: (x) => tf.prod(x, 3),
    max: (x) => tf.max(x, [1, 2]),
    gather: (x) => tf.gather(x, tf.tensor1d([1, 1, 3], "int32"), 1),
    localResponseNormalization: (x) => tf.localResponseNormalization(x),
    chained: (x) => x.mul(2).softmax().square().add(x),
  };
  const direction = tf.tensor4d(
    Array.from({ length: 32 }, (_, i) => Math.sin(3 * i + 1)),
    [1, 4, 4, 2],
  );
  for (const [name, fn] of Object.entries(functions)) {
    const loss = (x: typeof image) => {
      const y = fn(x) as typeof image;
      return tf.sum(tf.mul(y, tf.reshape(tf.cos(tf.range(0, y.size)), y.shape)));
    };
    const gradient = tf.sum(tf.mul(tf.grad((x) => loss(x as typeof image))(image), direction)).dataSync()[0];
    const at = (by: number): number => loss(tf.add(image, tf.mul(direction, by))).dataSync()[0];
    const difference = (at(epsilon) - at(-epsilon)) / (2 * epsilon);
    assert.ok(Math.abs(gradient - difference) < 2e-2, `${name}: ${gradient}, by differences ${difference}`);
  }
});

test.run();
