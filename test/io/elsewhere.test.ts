/** Files that other programs wrote, of kinds that we do not: what is sound in them is read, beside what is not known. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zipSync } from "fflate";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Global,
  type NdArray,
  ndarray,
  openSafetensors,
  openTorch,
  openWeights,
  PythonObject,
  readNpz,
  readSafetensors,
  type TorchTensor,
  tensorsOf,
  toFloat32,
  writeNpz,
  writeTorch,
} from "../../lib/io/index.ts";
import { fixture, rejects, temporaryFolder } from "./helpers.ts";

const file = (name: string): string => fixture(`elsewhere/${name}`);
const numbers = ({ data }: NdArray): unknown[] => [...(data as Float32Array)];
const W = [0, 1, 2, 3, 4, 5];

async function opened<T>(
  name: string,
  use: (value: Map<string, unknown>, read: (name: string) => Promise<NdArray>) => Promise<T>,
): Promise<T> {
  const torch = await openTorch(file(name));
  try {
    const value = torch.value as Map<string, unknown>;
    return await use(value, (name) => torch.read(value.get(name) as TorchTensor));
  } finally {
    await torch.close();
  }
}

/** The messages of the warnings during a promise. */
async function warnings(action: () => Promise<unknown>): Promise<string[]> {
  const messages: string[] = [];
  const listen = ({ message }: Error): void => void messages.push(message);
  process.on("warning", listen);
  await action();
  await new Promise(setImmediate);
  process.off("warning", listen);
  return messages;
}

test("a PyTorch file without checksums is read, and said to be unchecked once", async () => {
  const path = file("nocrc.pt");
  const read = async (): Promise<void> => {
    const weights = await openWeights(path);
    assert.equal(numbers(await weights.read("w")), W);
    assert.equal(toFloat32(await weights.read("b")), Float32Array.of(0, 1, 2));
    await weights.close();
  };
  assert.equal(await warnings(read), [
    `${path} was saved without checksums: damage to its numbers would go unnoticed`,
  ]);
  assert.equal(await warnings(read), []);
});

test("one checksum of zero among others is no archive without checksums", async () => {
  const path = join(await temporaryFolder(), "one.npz");
  await writeNpz(path, { a: ndarray(Float32Array.of(1), [1]), b: ndarray(Float32Array.of(2), [1]) });
  const bytes = await readFile(path);
  const entry = bytes.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  bytes.writeUInt32LE(0, entry + 16);
  await writeFile(path, bytes);
  await rejects(readNpz(path), /'a\.npy' of .*one\.npz is damaged: its checksum is wrong/);
});

test("a flipped bit in an .npz is noticed by its checksum", async () => {
  const path = join(await temporaryFolder(), "flipped.npz");
  await writeNpz(path, { a: ndarray(Float32Array.of(1.5, 2.5), [2]) });
  const bytes = await readFile(path);
  bytes[bytes.indexOf(Buffer.from(Float32Array.of(1.5).buffer))] ^= 1;
  await writeFile(path, bytes);
  await rejects(readNpz(path), /'a\.npy' of .*flipped\.npz is damaged: its checksum is wrong/);
});

test("unknown objects are opaque values beside the tensors, and nothing of them is run", async () => {
  await opened("objects.pt", async (value, read) => {
    assert.equal(numbers(await read("w")), W);
    assert.equal([value.get("frozen"), value.get("set")], [new Set([1]), new Set([1, 2])]);
    assert.equal(value.get("dtype"), new Global("torch.float16"));
    assert.is(value.get("big"), 2n ** 80n);
    assert.equal(
      value.get("counter"),
      new Map([
        ["a", 2],
        ["b", 1],
      ]),
    );
    assert.equal(value.get("default"), new Map([["a", [1]]]));
    const opaque = (name: string): PythonObject => value.get(name) as PythonObject;
    for (const [name, className] of [
      ["date", "datetime.datetime"],
      ["path", "pathlib.PurePosixPath"],
      ["device", "torch.device"],
      ["complex", "__builtin__.complex"],
      ["range", "__builtin__.xrange"],
      ["deque", "collections.deque"],
      ["settings", "project.Settings"],
      ["run", "project.Run"],
      ["method", "__builtin__.getattr"],
      ["scalar", "numpy._core.multiarray.scalar"],
    ]) {
      assert.instance(opaque(name), PythonObject, name);
      assert.is(opaque(name).className, className);
    }
    assert.equal(opaque("deque").items, [1, 2]);
    assert.is((opaque("settings").items as Map<string, unknown>).get("lr"), 1e-4);
    await rejects(read("date"), /objects\.pt has no tensor there but datetime\.datetime/);
    await rejects(read("missing"), /objects\.pt has no tensor there but nothing/);
    const inner = (opaque("settings").items as Map<string, unknown>).get("inner");
    const best = (opaque("run").state as Map<string, unknown>).get("best");
    const torch = await openTorch(file("objects.pt"));
    assert.equal(numbers(await torch.read(inner as TorchTensor)), W);
    assert.equal(numbers(await torch.read(best as TorchTensor)), W);
    await torch.close();
  });
  const weights = await openWeights(file("objects.pt"));
  assert.equal(Object.keys(weights.shapes), ["w"]);
  await rejects(weights.read("date"), /has no tensor "date", but datetime\.datetime of that name/);
  await rejects(weights.read("none"), /has no tensor "none"$/);
  await weights.close();
});

for (const name of ["types.pt", "types-legacy.pt"])
  test(`floats of 8 bits and unsigned integers of PyTorch; the rest refused alone: ${name}`, () =>
    opened(name, async (_value, read) => {
      assert.equal(toFloat32(await read("e4m3")), Float32Array.of(1, -2.5, 0));
      assert.equal(toFloat32(await read("e5m2")), Float32Array.of(1, -2.5, Infinity));
      assert.equal(numbers(await read("u16")), [1, 65535]);
      assert.equal(numbers(await read("u32")), [1, 2 ** 32 - 1]);
      assert.equal(numbers(await read("u64")), [1n, 2n ** 63n + 5n]);
      assert.equal(numbers(await read("w")), W);
      await rejects(read("complex"), new RegExp(`${name} has a tensor of the element type complex64`));
      await rejects(read("fnuz"), /a tensor of the element type float8_e4m3fnuz, which is not read/);
      const weights = await openWeights(file(name));
      assert.equal(weights.shapes.complex, [1]);
      await rejects(weights.read("complex"), /tensor "complex" cannot be read: .*complex64/);
      assert.equal(numbers(await weights.read("w")), W);
      await weights.close();
    }));

test("every float of 8 bits has PyTorch's value", async () => {
  const expected = await readNpz(file("float8.npz"));
  const { tensors } = await readSafetensors(file("float8.safetensors"), { widenHalf: true });
  for (const name of ["e4m3", "e5m2"]) {
    assert.is(tensors[name].dtype, "float32");
    assert.equal(numbers(tensors[name]), numbers(expected[name]), name);
  }
  const { tensors: bits } = await readSafetensors(file("float8.safetensors"));
  assert.equal(
    [bits.e4m3.dtype, bits.e5m2.dtype, bits.u16.data],
    ["float8_e4m3fn", "float8_e5m2", Uint16Array.of(65535)],
  );
});

test("views, subclasses and tensors with attributes; the special ones refused alone", () =>
  opened("tensors.pt", async (value, read) => {
    const expected: Record<string, unknown[]> = {
      transposed: [0, 3, 1, 4, 2, 5],
      expanded: [5, 5, 5, 5, 5, 5],
      tied: [0, 1, 2, 3],
      part: [2, 3],
      empty: [],
      scalar: [3n],
      tagged: [1, 1],
      parameter: [1, 1],
      subclass: [1, 1],
      // The imaginary part of a conjugate is a view whose sign is kept beside it.
      negated: [-2, 4],
    };
    for (const [name, data] of Object.entries(expected)) assert.equal(numbers(await read(name)), data, name);
    for (const name of ["quantized", "sparse", "meta", "nested", "storage"])
      await rejects(read(name), /tensors\.pt has no tensor there but/);
    assert.is(value.size, Object.keys(expected).length + 5);
  }));

test("a module that was saved whole has the weights of its state dictionary", async () => {
  const expected = {
    "first.weight": [2, 3],
    "first.bias": [2],
    "norm.weight": [2],
    "norm.bias": [2],
    "norm.running_mean": [2],
    "norm.running_var": [2],
    "norm.num_batches_tracked": [],
    table: [2],
  };
  for (const [name, which] of [["module.pt"], ["module-checkpoint.pt", "model"], ["nested.pt"]] as const) {
    const weights = await openWeights(file(name), which);
    const shapes = Object.entries(weights.shapes).sort();
    assert.equal(shapes, Object.entries(expected).sort(), name);
    assert.equal(numbers(await weights.read("first.weight")), W);
    await weights.close();
  }
});

const UNREAD = {
  objects: /Array "objects" of .*kinds\.npz has the element type object \(\|O\), which is not read/,
  records: /Array "records" of .*kinds\.npz holds records, which are not read/,
  complex: /the element type complex128 \(<c16\)/,
  dates: /the element type datetime64 \(<M8\[D\]\)/,
  spans: /the element type timedelta64 \(<m8\[s\]\)/,
  raw: /the element type void \(\|V4\)/,
  long: /the element type float128 \(<f16\)/,
};

test("one array of an unreadable kind in an .npz does not spoil the others", async () => {
  const arrays = await readNpz(file("kinds.npz"));
  assert.equal(numbers(arrays.fortran), W);
  assert.equal(numbers(arrays.big), W);
  assert.equal(toFloat32(arrays.half), Float32Array.from(W));
  assert.equal([arrays.flags.dtype, numbers(arrays.flags)], ["bool", [1, 0]]);
  assert.equal(numbers(arrays.u64), [2n ** 63n + 5n]);
  assert.equal(
    [arrays.text.data, arrays.bytes.data],
    [
      ["ab", "c"],
      ["ab", "c"],
    ],
  );
  assert.equal([arrays.scalar.shape, numbers(arrays.scalar), arrays.empty.shape], [[], [3], [0, 4]]);
  for (const [name, message] of Object.entries(UNREAD)) {
    assert.ok(Object.keys(arrays).includes(name), "it is listed");
    assert.throws(() => arrays[name], message);
    await rejects(readNpz(file("kinds.npz"), { keys: ["big", name] }), message);
  }
  assert.equal(Object.keys(await readNpz(file("kinds.npz"), { keys: ["big"] })), ["big"]);
  assert.throws(() => tensorsOf(arrays), UNREAD.objects);
});

test("one tensor of an unreadable kind in a safetensors file does not spoil the others", async () => {
  const { tensors } = await readSafetensors(file("float8.safetensors"));
  assert.equal(Object.keys(tensors), ["e4m3", "e5m2", "complex", "tiny", "u16"]);
  assert.throws(
    () => tensors.complex,
    /Tensor "complex" of .* has the element type "C64", which is not read/,
  );
  const open = await openSafetensors(file("float8.safetensors"));
  assert.equal(open.tensors.get("tiny")?.shape, [4]);
  await rejects(open.read("tiny"), /Tensor "tiny" of .* has the element type "F4", which is not read/);
  await open.close();
});

test("a name that a safetensors header has twice is named", async () => {
  await rejects(openSafetensors(file("twice.safetensors")), /twice\.safetensors has the name "a" twice/);
  const path = join(await temporaryFolder(), "twice.safetensors");
  for (const [header, name] of [
    ['{"__metadata__":{"k":"1","\\u006b":"2"}}', "k"],
    ['{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', "dtype"],
    ['{"a\\"b" :{"dtype":"F32","shape":[0],"data_offsets":[0,0]},\n"a\\"b"  :{}}', 'a\\\\"b'],
  ]) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(path, Buffer.concat([length, Buffer.from(header)]));
    await rejects(openSafetensors(path), new RegExp(`has the name "${name}" twice in its header`));
  }
  // The same name in two objects, and as a value, is no duplicate.
  const fine = '{"__metadata__":{"a":"a"},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}';
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(fine.length));
  await writeFile(path, Buffer.concat([length, Buffer.from(fine)]));
  await (await openSafetensors(path)).close();
});

test("the types that PyTorch has no storages for are written so that they are read again", async () => {
  const path = join(await temporaryFolder(), "types.pt");
  const arrays = {
    u16: ndarray(Uint16Array.of(1, 65535), [2]),
    u64: ndarray(BigUint64Array.of(1n), [1]),
    f8: ndarray(Uint8Array.of(56, 194), [2], "float8_e4m3fn"),
    f: ndarray(Float32Array.of(1), [1]),
  };
  await writeTorch(path, arrays);
  const weights = await openWeights(path);
  for (const [name, array] of Object.entries(arrays)) assert.equal(await weights.read(name), array);
  await weights.close();
});

test("pickles of Python 2's old kinds of instances are opaque too", async () => {
  const path = join(await temporaryFolder(), "old.pt");
  const value = async (pickle: string): Promise<PythonObject> => {
    await writeFile(path, zipSync({ "a/data.pkl": Buffer.from(pickle, "latin1") }));
    const torch = await openTorch(path);
    await torch.close();
    return torch.value as PythonObject;
  };
  for (const pickle of ["(S'x'\nios\nsystem\n.", '(cos\nsystem\nS"x"\no.']) {
    const { className, args } = await value(pickle);
    assert.equal([className, args], ["os.system", ["x"]]);
  }
  await rejects(value("S'x\n."), /is no text in quotes/);
});

test.run();
