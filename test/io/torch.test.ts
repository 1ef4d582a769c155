/** Files of `torch.save`: measured ones, written by hand ones, and damaged ones. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zipSync } from "fflate";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  Global,
  openTorch,
  PythonObject,
  readSafetensors,
  TorchTensor,
  toFloat32,
} from "../../lib/io/index.ts";
import { fixture, rejects, temporaryFolder } from "./helpers.ts";

type State = Map<string, unknown>;

/** All tensors of a file's map, read. */
async function tensorsOf(
  path: string,
): Promise<Record<string, { shape: number[]; dtype: string; data: unknown[] }>> {
  const file = await openTorch(path);
  try {
    const read: Record<string, { shape: number[]; dtype: string; data: unknown[] }> = {};
    for (const [name, tensor] of file.value as State) {
      const { shape, dtype, data } = await file.read(tensor as TorchTensor);
      read[name] = { shape, dtype, data: [...(data as Float32Array)] };
    }
    return read;
  } finally {
    await file.close();
  }
}

test("element types, views, shared storage and scalars", async () => {
  const tensors = await tensorsOf(fixture("torch-dtypes.pt"));
  assert.equal(
    Object.entries(tensors).map(([name, { shape, dtype }]) => [name, dtype, shape]),
    [
      ["half", "float16", [3, 5]],
      ["bf16", "bfloat16", [2, 3]],
      ["i64", "int64", [2, 3]],
      ["view", "float32", [4, 3]],
      ["shared_a", "float32", [4]],
      ["shared_b", "float32", [2]],
      ["scalar", "float32", []],
      ["u8", "uint8", [5]],
      ["bool", "bool", [2]],
    ],
  );
  assert.equal(tensors.i64.data, [0n, 1n, 2n, 3n, 4n, 5n]);
  assert.equal(tensors.view.data, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
  assert.equal(
    [tensors.shared_a.data, tensors.shared_b.data],
    [
      [0, 1, 2, 3],
      [1, 2],
    ],
  );
  assert.equal([tensors.scalar.data, tensors.u8.data, tensors.bool.data], [[2.5], [0, 1, 2, 3, 4], [1, 0]]);
});

test("the format before ZIP", async () => {
  assert.equal(await tensorsOf(fixture("torch-legacy.pt")), {
    w: { shape: [2, 3], dtype: "float32", data: [0, 1, 2, 3, 4, 5] },
  });
});

test("a training checkpoint: models, optimizer, and a Namespace as plain data", async () => {
  const file = await openTorch(fixture("sit-checkpoint.pt"));
  const checkpoint = file.value as State;
  assert.equal([...checkpoint.keys()], ["model", "ema", "opt", "args", "epoch", "steps"]);
  assert.is(checkpoint.get("steps"), 3);
  const args = checkpoint.get("args") as PythonObject;
  assert.is(args.className, "argparse.Namespace");
  assert.equal(
    args.state,
    new Map<string, unknown>([
      ["model", "SiT-tiny/2"],
      ["block_out_s", 1],
      ["block_out_t", 3],
      ["t_max", 0.2],
    ]),
  );
  const { state, param_groups } = Object.fromEntries(checkpoint.get("opt") as State) as Record<
    string,
    unknown
  >;
  assert.ok((state as Map<number, State>).get(1)?.get("exp_avg") instanceof TorchTensor);
  assert.ok(Array.isArray(param_groups));
  const { tensors } = await readSafetensors(fixture("sit-ema.safetensors"));
  const ema = checkpoint.get("ema") as State;
  assert.equal([...ema.keys()].sort(), Object.keys(tensors).sort());
  for (const [name, tensor] of ema) {
    const { shape } = await file.read(tensor as TorchTensor);
    assert.equal(shape, tensors[name].shape, name);
  }
  await file.close();
});

// Pickles by hand.
const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))),
  );
const PROTO = [0x80, 2];
const folder = temporaryFolder();
let written = 0;

/** A ZIP of torch.save around a pickle. */
async function archive(
  pickle: Uint8Array,
  files: Record<string, Uint8Array> = {},
  compress = false,
): Promise<string> {
  const path = join(await folder, `${written++}.pt`);
  const entries = Object.fromEntries(
    Object.entries({ "data.pkl": pickle, ...files }).map(([name, data]) => [`archive/${name}`, data]),
  );
  await writeFile(path, zipSync(entries, { level: compress ? 6 : 0 }));
  return path;
}

async function unpickled(...parts: (string | number[])[]): Promise<unknown> {
  const file = await openTorch(await archive(bytes(...parts)));
  await file.close();
  return file.value;
}

test("plain values of all protocols", async () => {
  assert.equal(
    await unpickled(
      PROTO,
      "(",
      [0x88, 0x89],
      "N",
      "K",
      [7],
      "M",
      [1, 2],
      "J",
      [255, 255, 255, 255],
      "t",
      ".",
    ),
    [true, false, null, 7, 513, -1],
  );
  assert.is(await unpickled(PROTO, [0x8a, 2, 0, 0x80], "."), -32768);
  assert.is(await unpickled(PROTO, [0x8a, 0], "."), 0);
  assert.is(
    await unpickled(PROTO, [0x8a, 9], [255, 255, 255, 255, 255, 255, 255, 255, 0], "."),
    2n ** 64n - 1n,
  );
  assert.is(await unpickled(PROTO, "G", [0x3f, 0xf8, 0, 0, 0, 0, 0, 0], "."), 1.5);
  assert.equal(await unpickled("(lp0\nI1\naI01\naL-5L\naF0.25\naVx\na."), [1, true, -5, 0.25, "x"]);
  assert.equal(
    await unpickled(
      [0x80, 4, 0x95],
      [9, 0, 0, 0, 0, 0, 0, 0],
      [0x8c, 2],
      "hi",
      [0x94],
      "h",
      [0],
      [0x86],
      ".",
    ),
    ["hi", "hi"],
  );
  assert.equal(
    await unpickled([0x80, 4], "}", [0x94], "(", [0x8c, 1], "a", "K", [1], "u", "."),
    new Map([["a", 1]]),
  );
  assert.equal(await unpickled([0x80, 4, 0x8f, 0x94], "(", "K", [1], "K", [1], [0x90], "."), new Set([1]));
});

test("objects of unknown classes are plain data, and classes only names", async () => {
  const made = (await unpickled(
    PROTO,
    "c__main__\nConfig\n",
    ")",
    [0x81],
    "}",
    "X",
    [1, 0, 0, 0],
    "a",
    "K",
    [1],
    "s",
    "b",
    ".",
  )) as PythonObject;
  assert.ok(made instanceof PythonObject);
  assert.equal([made.className, made.state], ["__main__.Config", new Map([["a", 1]])]);
  assert.equal(await unpickled(PROTO, "ctorch\nfloat32\n", "."), new Global("torch.float32"));
  const device = (await unpickled(
    PROTO,
    "ctorch\ndevice\n",
    "X",
    [3, 0, 0, 0],
    "cpu",
    [0x85],
    "R",
    ".",
  )) as PythonObject;
  assert.equal([device.className, device.args], ["torch.device", ["cpu"]]);
  assert.equal(await unpickled(PROTO, "ccollections\nOrderedDict\n", ")", "R", "."), new Map());
});

test("functions are not called: what they would return is opaque", async () => {
  for (const [parts, name] of [
    [[PROTO, "cos\nsystem\n", "X", [2, 0, 0, 0], "ls", [0x85], "R", "."], "os.system"],
    [
      [[0x80, 4, 0x8c, 8], "builtins", [0x8c, 4], "eval", [0x93], [0x8c, 2], "ls", [0x85], "R", "."],
      "builtins.eval",
    ],
    [[PROTO, "cos\nsystem\n", "X", [2, 0, 0, 0], "ls", [0x85, 0x81], "."], "os.system"],
    [["(X", [2, 0, 0, 0], "ls", "ios\nsystem\n."], "os.system"],
    [["(cos\nsystem\nX", [2, 0, 0, 0], "lso."], "os.system"],
  ] as [(string | number[])[], string][]) {
    const made = (await unpickled(...parts)) as PythonObject;
    assert.instance(made, PythonObject);
    assert.equal([made.className, made.args], [name, ["ls"]]);
  }
  // What an opaque value would give, called: a method.
  const method = [PROTO, "c__builtin__\ngetattr\n", ")R)R", "K", [1], "a."];
  const made = (await unpickled(...method)) as PythonObject;
  assert.equal([made.className, made.items], ["__builtin__.getattr()", [1]]);
});

const pickle =
  (...parts: (string | number[])[]) =>
  async () =>
    archive(bytes(...parts));
const storage = (kind: string, count: number[]) =>
  bytes(
    "(",
    "X",
    [7, 0, 0, 0],
    "storage",
    `ctorch\n${kind}\n`,
    "X",
    [1, 0, 0, 0],
    "0",
    "X",
    [3, 0, 0, 0],
    "cpu",
    ...[count],
    "t",
    "Q",
  ).toString("latin1");
/** A float tensor [2] whose offset, shape and strides are given as pickled tuples. */
const tensorPickle = (kind: string, count: number[], offset: number[], shape: number[], strides: number[]) =>
  bytes(
    PROTO,
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "(",
    storage(kind, count),
    offset,
    shape,
    strides,
    [0x89],
    ")",
    "t",
    "R",
    ".",
  );
const K = (n: number): number[] => [0x4b, n];
const one = (n: number): number[] => [...K(n), 0x85];
const two = [0x4b, 2];

for (const [name, make, message] of [
  ["an extension", pickle(PROTO, [0x82, 1], "."), /opcode EXT1/],
  ["no opcode", pickle(PROTO, [0xff]), /opcode 0xff, which is not allowed, at byte 2/],
  ["protocol 6", pickle([0x80, 6], "N."), /protocol 6; expected at most 5/],
  ["no end", pickle(PROTO, "N"), /is truncated: it ends at byte 3/],
  ["a text longer than the file", pickle(PROTO, "X", [255, 255, 255, 127], "."), /is truncated/],
  ["an empty stack", pickle(PROTO, "0t."), /is no pickle/],
  ["an unknown memo", pickle(PROTO, "h", [9], "."), /recalls 9, which it has not kept/],
  ["an item of no list", pickle(PROTO, "K", [1], "K", [2], "a."), /a list was expected/],
  ["a persistent id of something else", pickle(PROTO, "K", [1], "Q."), /refers to 1; expected a storage/],
  [
    "a storage that is missing",
    async () => archive(tensorPickle("FloatStorage", two, K(0), one(2), one(1))),
    /has no storage '0'/,
  ],
  [
    "a storage of another size",
    async () =>
      archive(tensorPickle("FloatStorage", two, K(0), one(2), one(1)), { "data/0": new Uint8Array(4) }),
    /storage '0' has 4 bytes, expected 8/,
  ],
  [
    "a negative shape",
    async () =>
      archive(tensorPickle("FloatStorage", two, K(0), [0x4a, 255, 255, 255, 255, 0x85], one(1)), {
        "data/0": new Uint8Array(8),
      }),
    /the shape \[-1\]; expected integers/,
  ],
  [
    "strides of another rank",
    async () =>
      archive(tensorPickle("FloatStorage", two, K(0), one(2), [0x29]), { "data/0": new Uint8Array(8) }),
    /shape \[2\] has the strides \[\]/,
  ],
  [
    "two pickles",
    async () => {
      const path = join(await folder, "two.pt");
      await writeFile(path, zipSync({ "a/data.pkl": bytes("N."), "b/data.pkl": bytes("N.") }));
      return path;
    },
    /has 2 files 'data\.pkl'; expected one/,
  ],
  [
    "a path out of the folder",
    async () => {
      const path = join(await folder, "dots.pt");
      await writeFile(path, zipSync({ "a/data.pkl": bytes("N."), "a/../../x": bytes("x") }));
      return path;
    },
    /is not a PyTorch file: invalid relative path/,
  ],
  ["another file", async () => fixture("metrics.npz"), /has 0 files 'data\.pkl'/],
  ["a text", async () => fixture("config.json"), /begins neither as a ZIP archive nor/],
  [
    "nothing",
    async () => {
      const path = join(await folder, "empty.pt");
      await writeFile(path, "");
      return path;
    },
    /is not a PyTorch file/,
  ],
] as [string, () => Promise<string>, RegExp][]) {
  test(`${name} is refused in a sentence that names the file`, async () => {
    const path = await make();
    const opened = openTorch(path);
    await rejects(opened, message);
    await rejects(opened, new RegExp(path.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  });
}

for (const [name, offset, shape, strides, message] of [
  ["beyond its storage", K(1), one(2), one(1), /ends at element 3 of the storage '0', which has 2/],
  ["of huge strides", K(0), one(2), [0x4a, 255, 255, 255, 127, 0x85], /ends at element 2147483648/],
  [
    "of a huge repeated shape",
    K(0),
    [0x4a, 255, 255, 255, 127, 0x85],
    one(0),
    /shape \[2147483647\] shows a storage of 2 elements/,
  ],
] as [string, number[], number[], number[], RegExp][]) {
  test(`a tensor ${name} is refused when it is read`, async () => {
    const path = await archive(tensorPickle("FloatStorage", two, offset, shape, strides), {
      "data/0": new Uint8Array(8),
    });
    const file = await openTorch(path);
    await rejects(file.read(file.value as TorchTensor), message);
    await file.close();
  });
}

test("tensors in storages of quantized, or of unknown, numbers are refused when they are read", async () => {
  for (const [kind, message] of [
    ["QInt8Storage", /has a tensor of the element type qint8, which is not read/],
    ["UnheardOfStorage", /has no tensor there but torch\.Tensor/],
  ] as [string, RegExp][]) {
    const path = await archive(tensorPickle(kind, two, K(0), one(2), one(1)), {
      "data/0": new Uint8Array(2),
    });
    const file = await openTorch(path);
    await rejects(file.read(file.value as TorchTensor), message);
    await file.close();
  }
});

test("a compressed archive, big-endian numbers, an expanded view and an empty tensor", async () => {
  const big = new Uint8Array(8);
  new DataView(big.buffer).setFloat32(0, 1.5, false);
  new DataView(big.buffer).setFloat32(4, -2, false);
  const open = async (offset: number[], shape: number[], strides: number[]) => {
    const file = await openTorch(
      await archive(
        tensorPickle("FloatStorage", two, offset, shape, strides),
        { "data/0": big, byteorder: bytes("big") },
        true,
      ),
    );
    const result = await file.read(file.value as TorchTensor);
    await file.close();
    return [result.shape, [...toFloat32(result)]];
  };
  assert.equal(await open(K(0), one(2), one(1)), [[2], [1.5, -2]]);
  assert.equal(await open(K(1), one(3), one(0)), [[3], [-2, -2, -2]]);
  assert.equal(await open(K(0), one(0), one(1)), [[0], []]);
});

test("a damaged storage is noticed by its checksum", async () => {
  const original = await readFile(fixture("torch-dtypes.pt"));
  const at = original.indexOf(Buffer.from(Float32Array.of(0, 1, 2, 3).buffer));
  original[at + 5] ^= 1;
  const path = join(await folder, "flipped.pt");
  await writeFile(path, original);
  await rejects(
    tensorsOf(path),
    /'torch-dtypes\/data\/\d' of .*flipped\.pt is damaged: its checksum is wrong/,
  );
});

test.run();
