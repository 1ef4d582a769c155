import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  checkParams,
  currentDevice,
  type Device,
  flattenTree,
  mapTree,
  param,
  tf,
  useDevice,
} from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

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

test("devices: cpu is there, an unknown one and a missing package are named", async () => {
  await useDevice("cpu");
  assert.is(currentDevice(), "cpu");
  await rejects(
    useDevice("gpu" as Device),
    /unknown device 'gpu'; expected one of cpu, wasm, webgpu, tensorflow/,
  );
  // Optional packages that the project does not install.
  for (const [device, name] of [
    ["wasm", "@tensorflow/tfjs-backend-wasm"],
    ["tensorflow", "@tensorflow/tfjs-node-gpu"],
    ["webgpu", "webgpu"],
  ] as const) {
    await rejects(
      useDevice(device),
      new RegExp(`device '${device}' needs the package ${name}.*npm install ${name}`),
    );
    assert.is(currentDevice(), "cpu");
  }
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
