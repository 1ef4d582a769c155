import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  elementCount,
  float16ToNumber,
  fromBytes,
  type NdArray,
  ndarray,
  scalarOf,
  toBytes,
  toFloat32,
  toFloat64,
  widenHalf,
} from "../../lib/io/index.ts";

test("infers the element type from the holder", () => {
  assert.is(ndarray(new Float64Array(2), [2]).dtype, "float64");
  assert.is(ndarray(new Uint8Array(2), [2]).dtype, "uint8");
  assert.is(ndarray(new Uint16Array(2), [2]).dtype, "uint16");
  assert.is(ndarray(new BigUint64Array(1), []).dtype, "uint64");
  assert.is(ndarray(["a"], [1]).dtype, "string");
  assert.is(ndarray(new Uint8Array(2), [2], "bool").dtype, "bool");
});

test("refuses a shape or holder that does not fit", () => {
  assert.throws(() => ndarray(new Float32Array(5), [2, 3]), /\[2, 3\] has 6 elements, got 5/);
  assert.throws(() => ndarray(new Float32Array(2), [-1, -2]), /An array cannot have the shape \[-1, -2\]/);
  assert.throws(() => elementCount([2 ** 40, 2 ** 40], "x"), /x cannot have the shape/);
  const wrong = new Float32Array(1) as unknown as Uint8Array;
  assert.throws(() => ndarray(wrong, [1], "bool"), /array of bool cannot be held by Float32Array/);
});

test("reads bytes in either order and at any alignment", () => {
  const bytes = Uint8Array.from([9, 0x01, 0x02, 0x03, 0x04]).subarray(1);
  assert.equal(fromBytes(bytes, [2], "int16").data, Int16Array.of(0x0201, 0x0403));
  assert.equal(fromBytes(bytes, [1], "uint32", "BE").data, Uint32Array.of(0x01020304));
  assert.equal([...bytes], [1, 2, 3, 4], "the source is unchanged");
  assert.equal([...toBytes(ndarray(Uint16Array.of(0x0102), [1]))], [2, 1]);
  assert.throws(() => fromBytes(bytes, [3], "int16"), /has 6 bytes, got 4/);
});

test("widens 16-bit floats exactly", () => {
  const cases: [number, number][] = [
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x3555, 0.333251953125],
  ];
  for (const [bits, value] of cases) assert.is(float16ToNumber(bits), value);
  assert.ok(Number.isNaN(float16ToNumber(0x7e00)));
  assert.ok(Object.is(float16ToNumber(0x8000), -0));
  const brain: NdArray = { shape: [3], dtype: "bfloat16", data: Uint16Array.of(0x3f80, 0xc040, 0x0000) };
  assert.equal(widenHalf(brain), { shape: [3], dtype: "float32", data: Float32Array.of(1, -3, 0) });
  assert.equal(toFloat64(brain), Float64Array.of(1, -3, 0));
});

test("gives numbers of any numeric type", () => {
  assert.equal(toFloat32(ndarray(BigInt64Array.of(-3n), [1])), Float32Array.of(-3));
  assert.equal(toFloat64(ndarray(Float32Array.of(0.5), [1])), Float64Array.of(0.5));
  assert.is(scalarOf(ndarray(Int8Array.of(-7), [1, 1])), -7);
  assert.throws(() => scalarOf(ndarray(new Int8Array(2), [2])), /one element, got shape \[2\]/);
  assert.throws(() => toFloat32(ndarray(["a"], [])), /strings/);
  assert.throws(() => toFloat64(ndarray(["a"], [])), /strings/);
});

test.run();
