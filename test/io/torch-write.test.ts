import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type Dict,
  type NdArray,
  ndarray,
  openTorch,
  PythonObject,
  type TorchTensor,
  type TorchValue,
  writeTorch,
} from "../../lib/io/index.ts";
import { pythonJson, pythonWith } from "../python.ts";
import { rejects } from "./helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "ditlab-torch-write-"));
const path = join(folder, "out.pt");

const weights = {
  "blocks.0.weight": ndarray(Float32Array.of(1, -2.5, 3, 4, 5, 6), [2, 3]),
  empty: ndarray(new Float32Array(0), [0, 4]),
  scalar: ndarray(Float64Array.of(Math.PI), []),
  half: { dtype: "float16", shape: [2], data: Uint16Array.of(0x3c00, 0xc000) } as NdArray<"float16">,
  brain: { dtype: "bfloat16", shape: [1], data: Uint16Array.of(0x3f80) } as NdArray<"bfloat16">,
  long: ndarray(BigInt64Array.of(-(2n ** 40n), 3n), [2]),
  int: ndarray(Int32Array.of(-7), [1]),
  short: ndarray(Int16Array.of(-300), [1]),
  char: ndarray(Int8Array.of(-1), [1]),
  byte: ndarray(Uint8Array.of(255), [1]),
  bool: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) } as NdArray<"bool">,
};
/** Types that PyTorch has since 2.3. */
const newer = {
  ushort: ndarray(Uint16Array.of(65535), [1]),
  uint: ndarray(Uint32Array.of(2 ** 32 - 1), [1]),
  ulong: ndarray(BigUint64Array.of(2n ** 40n), [1]),
  e4m3: ndarray(Uint8Array.of(56, 194), [2], "float8_e4m3fn"),
  e5m2: ndarray(Uint8Array.of(60, 193), [2], "float8_e5m2"),
};
const args = new PythonObject("argparse.Namespace", []);
args.state = new Map<string, TorchValue>([
  ["model", "SiT-tiny/2"],
  ["lr", 1e-4],
]);
const plain: Record<string, TorchValue> = {
  integers: [0, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 40, -(2 ** 52)],
  floats: [0.5, -0, 1e300, Number.POSITIVE_INFINITY],
  truth: [true, false, null],
  text: "zwölf \u{1f4a9}",
  nested: { deeper: { list: [] } },
};

test("what is written comes back", async () => {
  const state = new Map<number, TorchValue>([[3, { step: 7 }]]);
  await writeTorch(path, { model: weights, args, state, ...plain });
  const file = await openTorch(path);
  const value = file.value as Dict;
  const model = value.get("model") as Map<string, TorchTensor>;
  assert.equal([...model.keys()], Object.keys(weights));
  for (const [name, expected] of Object.entries(weights))
    assert.equal(await file.read(model.get(name)!), expected, name);
  const namespace = value.get("args") as PythonObject;
  assert.is(namespace.className, "argparse.Namespace");
  assert.equal(namespace.state, args.state);
  assert.equal(value.get("state"), new Map([[3, new Map([["step", 7]])]]));
  for (const name of ["integers", "floats", "truth", "text"])
    assert.equal(value.get(name), plain[name], name);
  assert.equal(value.get("nested"), new Map([["deeper", new Map([["list", []]])]]));
  await file.close();
  assert.equal(readdirSync(folder), ["out.pt"], "no temporary file is left");
});

test("the same content is the same file", async () => {
  await writeTorch(path, { model: weights, ...plain });
  const first = readFileSync(path);
  await writeTorch(path, { model: weights, ...plain });
  assert.ok(first.equals(readFileSync(path)));
});

test("what cannot be written is named, and the file of before stays", async () => {
  await writeTorch(path, weights);
  const before = readFileSync(path);
  const wrong: [TorchValue, RegExp][] = [
    [{ a: { b: ndarray(["x"], [1]) as NdArray } }, /^the value\.a\.b has the element type string/],
    [{ a: [ndarray(["x"], [1]) as NdArray] }, /^the value\.a\[0\] has the element type string/],
    [
      { a: { dtype: "float32", shape: [2], data: Float32Array.of(1) } },
      /^the value\.a has 1 elements, expected 2$/,
    ],
    [{ f: (() => 1) as never }, /^the value\.f is a function/],
    [new PythonObject("os.system", []), /^the value is a os\.system; of objects only argparse\.Namespace/],
  ];
  for (const [value, message] of wrong) await rejects(writeTorch(path, value), message);
  assert.ok(before.equals(readFileSync(path)));
  assert.equal(readdirSync(folder), ["out.pt"]);
});

const python = pythonWith("torch");
const loads = "torch.load reads what is written";
if (!python) {
  test.skip(`${loads} (no python3 with torch is installed)`);
} else {
  test(loads, async () => {
    await writeTorch(path, { model: weights, args, ...plain });
    const script = `
import argparse, sys, json, torch
# The classes that may be loaded have to be named since PyTorch 2.6.
allow = getattr(torch.serialization, "add_safe_globals", None)
if allow: allow([argparse.Namespace])
value = torch.load(sys.argv[1], map_location="cpu")
model = value["model"]
print(json.dumps({
  "values": {name: tensor.double().tolist() for name, tensor in model.items()},
  "types": {name: str(tensor.dtype) for name, tensor in model.items()},
  "contiguous": all(tensor.is_contiguous() for tensor in model.values()),
  "args": vars(value["args"]),
  "integers": value["integers"],
  "text": value["text"],
  "truth": value["truth"],
}))`;
    const {
      values,
      types,
      contiguous,
      args: namespace,
      integers,
      text,
      truth,
    } = pythonJson(python, script, path) as Record<string, never>;
    assert.equal(values, {
      "blocks.0.weight": [
        [1, -2.5, 3],
        [4, 5, 6],
      ],
      empty: [],
      scalar: Math.PI,
      half: [1, -2],
      brain: [1],
      long: [-(2 ** 40), 3],
      int: [-7],
      short: [-300],
      char: [-1],
      byte: [255],
      bool: [1, 0],
    });
    assert.is((types as Record<string, string>).brain, "torch.bfloat16");
    assert.is((types as Record<string, string>).bool, "torch.bool");
    assert.ok(contiguous);
    assert.equal(namespace, { model: "SiT-tiny/2", lr: 1e-4 });
    assert.equal([integers, text, truth], [plain.integers, plain.text, plain.truth]);
  });
}

const newTypes = "torch.load reads the types that PyTorch has since 2.3";
const hasThem =
  python && pythonJson(python, 'import torch; print("true" if hasattr(torch, "uint16") else "false")');
if (!hasThem) {
  test.skip(`${newTypes} (no python3 with such a torch is installed)`);
} else {
  test(newTypes, async () => {
    await writeTorch(path, newer);
    const script = `
import sys, json, torch
value = torch.load(sys.argv[1])
print(json.dumps({name: [str(tensor.dtype), tensor.double().tolist()] for name, tensor in value.items()}))`;
    assert.equal(pythonJson(python as string, script, path), {
      ushort: ["torch.uint16", [65535]],
      uint: ["torch.uint32", [2 ** 32 - 1]],
      ulong: ["torch.uint64", [2 ** 40]],
      e4m3: ["torch.float8_e4m3fn", [1, -2.5]],
      e5m2: ["torch.float8_e5m2", [1, -2.5]],
    });
  });
}

test.run();
