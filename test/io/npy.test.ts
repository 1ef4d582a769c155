import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatNpy, type NdArray, ndarray, parseNpy } from "../../lib/io/index.ts";

/** An .npy file with a header of our choosing. */
function npy(dictionary: string, data: Uint8Array, version = 1): Uint8Array {
  const header = Buffer.from(`${dictionary}\n`, version === 3 ? "utf8" : "latin1");
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from("NUMPY"),
    Buffer.from([version, 0]),
    length,
    header,
    data,
  ]);
}

const describe = (descr: string, shape: string, order = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

test("reads back what it writes", () => {
  const arrays: NdArray[] = [
    ndarray(Float32Array.of(1.5, -2, 3, 4, 5, 6), [2, 3]),
    ndarray(Float64Array.of(Math.PI), []),
    ndarray(BigInt64Array.of(-1n, 2n ** 60n), [2]),
    ndarray(BigUint64Array.of(2n ** 64n - 1n), [1]),
    ndarray(Uint8Array.of(1, 0, 1), [3], "bool"),
    ndarray(Uint16Array.of(0x3c00), [1], "float16"),
    ndarray(new Int8Array(0), [0, 3]),
    ndarray(["grün 🙂", "", "x"], [3]),
    ndarray(new Int16Array(1), new Array<number>(30_000).fill(1)),
  ];
  for (const array of arrays) assert.equal(parseNpy(formatNpy(array), "a"), array);
});

test("writes numpy's header, aligned to 64 bytes", () => {
  const file = Buffer.from(formatNpy(ndarray(Float32Array.of(7), [1])));
  assert.is(file.length, 128 + 4);
  assert.is(file.readUInt16LE(8), 118);
  assert.match(
    file.toString("latin1", 10, 128),
    /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(1,\), \} +\n$/,
  );
});

test("reads versions 2 and 3, Python 2's longs, and keys in any order", () => {
  const data = Uint8Array.of(1, 2);
  for (const version of [1, 2, 3]) {
    assert.equal(parseNpy(npy(describe("|u1", "(2,)"), data, version), "a"), ndarray(data.slice(), [2]));
  }
  const old = "{'shape': (1L, 2L), 'fortran_order': False, 'descr': '|u1'}";
  assert.equal(parseNpy(npy(old, data), "a").shape, [1, 2]);
});

test("reads big-endian and Fortran-ordered arrays", () => {
  const big = Uint8Array.of(0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6);
  assert.equal(parseNpy(npy(describe(">i2", "(2, 3)"), big), "a").data, Int16Array.of(1, 2, 3, 4, 5, 6));
  const columns = Uint8Array.of(1, 4, 2, 5, 3, 6);
  const array = parseNpy(npy(describe("|u1", "(2, 3)", "True"), columns), "a");
  assert.equal(array, ndarray(Uint8Array.of(1, 2, 3, 4, 5, 6), [2, 3]));
  // Element [i, j, k] of a 2x3x2 array stored first index fastest has the value 100 i + 10 j + k.
  const cube = Uint8Array.of(0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121);
  const { data } = parseNpy(npy(describe("|u1", "(2, 3, 2)", "True"), cube), "a");
  assert.equal(data, Uint8Array.of(0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121));
  const bytes = parseNpy(npy(describe("|S2", "(2,)"), Buffer.from("ab\0\0")), "a");
  assert.equal(bytes.data, ["ab", ""]);
});

test("names the file and what is wrong with it", () => {
  const good = npy(describe("<f4", "(2,)"), new Uint8Array(8));
  const wrong: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /^x\.npy is not an \.npy file/],
    [Buffer.from("PK\x03\x04 something else"), /^x\.npy is not an \.npy file/],
    [good.subarray(0, 30), /^x\.npy is truncated: its header has/],
    [good.subarray(0, good.length - 1), /^x\.npy is truncated: shape \[2\] of <f4 has 8 bytes, got 7/],
    [Buffer.concat([good, Buffer.alloc(1)]), /^x\.npy has trailing bytes/],
    [npy(describe("<f4", "(2,)"), new Uint8Array(8), 4), /version 4\.0/],
    [npy("import os", new Uint8Array(8)), /^x\.npy has an unreadable header: "import os"/],
    [npy("{'descr': '<f4', 'fortran_order': False}", new Uint8Array(8)), /unreadable header/],
    [npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", new Uint8Array(8)), /unreadable header/],
    [npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", new Uint8Array(8)), /unreadable header/],
    [
      npy(describe("<f4", "(99999999999, 99999999999)"), new Uint8Array(8)),
      /^x\.npy cannot have the shape \[99999999999,/,
    ],
    [
      npy(describe("|O", "(2,)"), new Uint8Array(8)),
      /^x\.npy has the element type object \(\|O\), which is not read$/,
    ],
    [
      npy(describe("<c8", "(1,)"), new Uint8Array(8)),
      /has the element type complex64 \(<c8\), which is not read/,
    ],
    [npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", new Uint8Array(8)), /records/],
  ];
  for (const [file, pattern] of wrong) assert.throws(() => parseNpy(file, "x.npy"), pattern);
});

test("refuses what NumPy has no type for", () => {
  assert.throws(() => formatNpy(ndarray(new Uint16Array(1), [1], "bfloat16")), /no element type bfloat16/);
});

test.run();
