import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromTensor, type NdArray, ndarray, tensorsOf, toTensor } from "../../lib/io/index.ts";
import { tf } from "../../lib/tensor/tf.ts";
import { rejects } from "./helpers.ts";

test("maps element types", async () => {
  const cases: [NdArray, NdArray][] = [
    [ndarray(Float64Array.of(0.1, 2), [2, 1]), ndarray(Float32Array.of(0.1, 2), [2, 1])],
    [ndarray(Uint16Array.of(0x3c00), [1], "float16"), ndarray(Float32Array.of(1), [1])],
    [
      ndarray(BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n), [2]),
      ndarray(Int32Array.of(-(2 ** 31), 2 ** 31 - 1), [2]),
    ],
    [ndarray(Uint8Array.of(255), []), ndarray(Int32Array.of(255), [])],
    [ndarray(Uint8Array.of(1, 0), [2], "bool"), ndarray(Uint8Array.of(1, 0), [2], "bool")],
  ];
  for (const [array, expected] of cases) {
    const tensor = toTensor(array);
    assert.equal(await fromTensor(tensor), expected);
    tensor.dispose();
  }
});

test("names what does not fit, and leaves no tensors behind", () => {
  const before = tf.memory().numTensors;
  const good = ndarray(Float32Array.of(1), [1]);
  assert.throws(() => toTensor(ndarray(BigInt64Array.of(2n ** 31n), [1])), /2147483648 .*int32/);
  assert.throws(() => toTensor(ndarray(Uint32Array.of(2 ** 31), [1])), /2147483648 .*int32/);
  assert.throws(() => tensorsOf({ good, bad: ndarray(["x"], [1]) }), /Array "bad": .*strings/);
  assert.is(tf.memory().numTensors, before);
});

test("fetches a copy", async () => {
  const tensor = tf.tensor1d([1, 2]);
  const array = await fromTensor(tensor);
  array.data[0] = 9;
  assert.is((await tensor.data())[0], 1);
  await rejects(fromTensor(tf.tensor(["a"])), /type string/);
});

test("maps a record", () => {
  const tensors = tensorsOf({ a: ndarray(Float32Array.of(1, 2), [2]), b: ndarray(Int32Array.of(3), []) });
  assert.equal(Object.keys(tensors), ["a", "b"]);
  assert.equal(tensors.a.shape, [2]);
  assert.is(tensors.b.dtype, "int32");
});

test.run();
