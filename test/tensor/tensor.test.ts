import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkParams, flattenTree, mapTree, param, tf } from "../../lib/tensor/index.ts";

test("trees are visited in key order, with paths", () => {
  const tree = { b: [tf.scalar(1), { c: tf.scalar(2) }], a: tf.scalar(3), n: 4 };
  assert.equal(
    flattenTree(tree).map(({ path, tensor }) => [path, tensor.dataSync()[0]]),
    [
      ["b/0", 1],
      ["b/1/c", 2],
      ["a", 3],
    ],
  );
  assert.equal(
    mapTree(tree, (t, path) => `${path}=${t.dataSync()[0]}`),
    { b: ["b/0=1", { c: "b/1/c=2" }], a: "a=3", n: 4 },
  );
});

test("parameters that do not fit are listed together", () => {
  const params = { a: tf.zeros([2]), b: tf.zeros([3]) };
  assert.throws(
    () => checkParams(params, { b: [4], c: [1] }, "a model"),
    /do not fit a model; missing: c; unexpected: a; wrong shape: b \(expected \[4\], got \[3\]\)/,
  );
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`w${i}`, [1]]));
  assert.throws(() => checkParams({}, many, "a model"), /missing: w0, .*, w9 and 30 more$/);
  assert.throws(() => param(params, "c"), /parameter 'c' is missing; the model has 2 parameters/);
});

test.run();
