/** Saved models: standard operators alone, names as documented, the same numbers in a plain onnxruntime session, valid to the ONNX checker. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import protobuf from "protobufjs/light.js";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { createSession } from "../../lib/jit/targets/onnxruntime/session.ts";
import { scaledDotProductAttention } from "../../lib/nn/attention.ts";
import { gelu, modulatedLayerNorm } from "../../lib/nn/fused.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { assertClose, portableModel } from "./kernels/compare.ts";
import { allKernels } from "./kernels/index.ts";

const many = (type: string, id: number) => ({ rule: "repeated", type, id });
/** As much of onnx.proto3 as the assertions read. */
const Model = protobuf.Root.fromJSON({
  nested: {
    Node: { fields: { opType: { type: "string", id: 4 }, domain: { type: "string", id: 7 } } },
    ValueInfo: { fields: { name: { type: "string", id: 1 } } },
    Graph: {
      fields: { node: many("Node", 1), input: many("ValueInfo", 11), output: many("ValueInfo", 12) },
    },
    OperatorSet: { fields: { domain: { type: "string", id: 1 }, version: { type: "int32", id: 2 } } },
    Model: { fields: { graph: { type: "Graph", id: 7 }, opsetImport: many("OperatorSet", 8) } },
  },
}).lookupType("Model");

interface Decoded {
  opsetImport: { domain: string; version: number }[];
  graph: {
    node: { opType: string; domain: string }[];
    input: { name: string }[];
    output: { name: string }[];
  };
}
const decode = (bytes: Uint8Array): Decoded =>
  Model.toObject(Model.decode(bytes), { defaults: true, arrays: true }) as unknown as Decoded;

const random = randomGenerator(3);
const block = {
  x: normalTensor(random, [2, 4, 8]),
  shift: normalTensor(random, [2, 1, 8]),
  scale: normalTensor(random, [2, 1, 8]),
  "mlp/weight": normalTensor(random, [8, 8]),
};
/** A transformer block and the gradient of its sum of squares: every fused operator and its portable form. */
const forward = (p: typeof block): Tensor => {
  const y = modulatedLayerNorm(p.x, p.shift, p.scale);
  const heads = tf.transpose(tf.reshape(y, [2, 4, 2, 4]), [0, 2, 1, 3]);
  const attended = tf.reshape(
    tf.transpose(scaledDotProductAttention(heads, heads, heads), [0, 2, 1, 3]),
    [2, 4, 8],
  );
  return gelu(tf.matMul(attended, p["mlp/weight"], false, true));
};
const program = jit((p: typeof block, power: number) => ({
  y: forward(p),
  "d/x": tf.grad((x) => tf.sum(tf.pow(forward({ ...p, x: x as Tensor }), power)))(p.x),
  given: p.shift,
}));

test("a saved model runs elsewhere, on standard operators, under the documented names", async () => {
  const path = join(await temporaryFolder(), "block.onnx");
  await program.save(path, [block, 2]);
  const bytes = await readFile(path);
  const { graph, opsetImport } = decode(bytes);
  assert.equal(opsetImport, [{ domain: "", version: 20 }]);
  assert.equal([...new Set(graph.node.map(({ domain }) => domain))], [""]);
  assert.equal(
    graph.input.map(({ name }) => name),
    ["arg0/x", "arg0/shift", "arg0/scale", "arg0/mlp~1weight"],
  );
  assert.equal(
    graph.output.map(({ name }) => name),
    ["out/y", "out/d~1x", "out/given"],
  );
  // What runs here is another graph.
  assert.ok(decode(program.lower([block, 2]).onnx).graph.node.some(({ opType }) => opType === "FusedMatMul"));

  // All of onnxruntime's optimizers: what `jit` leaves out for its own graphs must not matter.
  const session = await createSession(bytes, { threads: 1 }, { without: [] });
  const binding = (name: string, { shape }: Tensor, data: Float32Array<ArrayBuffer>) =>
    ({ name, shape, data, dtype: "float32" }) as const;
  const tensors = Object.values(block);
  const inputs = graph.input.map(({ name }, i) =>
    binding(name, tensors[i], Float32Array.from(tensors[i].dataSync())),
  );
  const own = await program(block, 2);
  const outputs = [
    ["out/y", own.y],
    ["out/d~1x", own["d/x"]],
    ["out/given", own.given],
  ] as const;
  const results = outputs.map(([name, like]) => binding(name, like, new Float32Array(like.size)));
  await session.run(inputs, results);
  for (const [i, [name, expected]] of outputs.entries())
    assertClose(tf.tensor(results[i].data, expected.shape), expected, 1e-5, name);
  session.release();
  await program.dispose();
});

test("lowering counts what the file holds", () => {
  const lowered = program.lower([block, 2], { portable: true });
  const nodes = decode(lowered.onnx).graph.node;
  // Outputs that are inputs, or asked for twice, are copied by an Identity of the file alone.
  assert.is(nodes.filter(({ opType }) => opType !== "Identity").length, lowered.nodes);
  for (const [op, count] of Object.entries(lowered.operators))
    assert.is(nodes.filter(({ opType }) => opType === op).length, count, op);
  assert.equal(
    lowered.inputs.map(({ name, dtype }) => [name, dtype]),
    Object.keys(block).map((key) => [`arg0/${key.replace("/", "~1")}`, "float32"]),
  );
});

const CHECK = `
import sys, onnx
for path in sys.argv[1:]:
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        sys.exit(f"{path}: {error}")
`;
const python = spawnSync("python3", ["-c", "import onnx"]);
const checker = "every kernel's portable model passes the ONNX checker, shapes included";
if (python.status === 0) {
  test(checker, async () => {
    const folder = await temporaryFolder();
    const paths: string[] = [];
    for (const [name, cases] of Object.entries(allKernels)) {
      for (const [i, item] of cases.entries()) {
        const path = join(folder, `${name}-${i}.onnx`);
        const [sample] = "inputs" in item ? [item] : fc.sample(item, { seed: 20240, numRuns: 1 });
        await writeFile(path, portableModel(sample));
        paths.push(path);
      }
    }
    const { status, stderr } = spawnSync("python3", ["-c", CHECK, ...paths], { encoding: "utf8" });
    assert.is(status, 0, stderr);
  });
} else {
  test.skip(`${checker} (python3 has no package onnx)`);
}

test.run();
