/** Names of parts in graphs, and what a profile says of them. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit, loop, profile } from "../../lib/jit/index.ts";
import { gelu } from "../../lib/nn/index.ts";
import { namedScope, type Tensor, tf } from "../../lib/tensor/index.ts";

const matMul = (a: Tensor, b: Tensor): Tensor => tf.matMul(a as never, b as never);

/** Two named parts, the second of two equal layers, with their gradient. */
const network = (x: Tensor, w: Tensor): Tensor => {
  const first = namedScope("stem", () => gelu(matMul(x, w)));
  return [0, 1].reduce((h, i) => namedScope(`layers.${i}`, () => tf.tanh(matMul(h, w))), first);
};
const step = (x: Tensor, w: Tensor): Tensor => tf.grad((w) => tf.mean(network(x, w)))(w);

const args: [Tensor, Tensor] = [
  tf.randomNormal([64, 32], 0, 1, "float32", 1),
  tf.randomNormal([32, 32], 0, 0.1, "float32", 2),
];

test("nodes carry the names of their parts, and gradients those of what they differentiate", () => {
  const text = Buffer.from(jit(step).lower(args).onnx).toString("latin1");
  for (const name of [
    "stem/MatMul_",
    "layers.0/MatMul_",
    "layers.1/Tanh_",
    "layers.1/gradient/FusedMatMul_",
    "layers.0/gradient/FusedMatMul_",
    "stem/gradient/FusedMatMul_",
  ])
    assert.ok(text.includes(name), name);
});

test("scopes nest, end with an error, and leave no trace in numbers", () => {
  assert.throws(
    () =>
      namedScope("a", () => {
        throw new Error("x");
      }),
    "x",
  );
  const f = (x: Tensor) => namedScope("a", () => namedScope("b", () => tf.sin(x)));
  const text = Buffer.from(jit(f).lower([tf.ones([2])]).onnx).toString("latin1");
  assert.ok(text.includes("a/b/Sin_"));
  assert.not(text.includes("a/a/"));
  const plain = tf.grad((x) => tf.sum(tf.square(tf.sin(x))))(tf.tensor1d([0.3, 2]));
  const scoped = tf.grad((x) => tf.sum(namedScope("s", () => tf.square(namedScope("t", () => tf.sin(x))))))(
    tf.tensor1d([0.3, 2]),
  );
  assert.equal(scoped.dataSync(), plain.dataSync());
});

test("a profile's parts, operators and products each account for all of a run", async () => {
  const compiled = jit(step);
  const { parts, operators, products, seconds, nodes, flops } = await compiled.profile(args, { runs: 3 });
  for (const entries of [parts, operators]) {
    assert.is(
      entries.reduce((sum, { calls }) => sum + calls, 0),
      nodes,
    );
    assert.ok(Math.abs(entries.reduce((sum, entry) => sum + entry.seconds, 0) - seconds) < 1e-9);
    assert.equal(
      entries.map((entry) => entry.seconds),
      entries.map((entry) => entry.seconds).sort((a, b) => b - a),
    );
  }
  const names = parts.map(({ part }) => part);
  // The two layers are one part, their numbers left out.
  assert.equal(names.filter((name) => name.startsWith("layers")).sort(), ["layers", "layers/gradient"]);
  // Three products forwards, three by the weights, two by the hidden values.
  assert.is(
    products.reduce((sum, { calls }) => sum + calls, 0),
    8,
  );
  assert.is(flops, 8 * 2 * 64 * 32 * 32);
  await compiled.dispose();
});

test("memory: arguments, results, and the most in between", async () => {
  // Two values of 4 KB are alive at once: the sine and the cosine. The sum is the result's.
  const compiled = jit((x: Tensor) => tf.add(tf.sin(x), tf.cos(x)));
  const { memory } = await compiled.profile([tf.ones([1024])], { runs: 1 });
  assert.equal(memory, { arguments: 4096, results: 4096, between: 8192 });
  // A chain keeps its operand until it is done with it.
  const chain = jit((x: Tensor) => tf.sin(tf.cos(tf.sin(tf.reshape(tf.cos(x), [2, 512])))));
  assert.equal((await chain.profile([tf.ones([1024])], { runs: 1 })).memory.between, 8192);
});

test("a loop's time is that of what it repeats", async () => {
  const compiled = jit((x: Tensor) => loop(5, x, (x) => namedScope("turn", () => tf.sin(x))));
  const { operators, parts } = await compiled.profile([tf.ones([16])], { runs: 2 });
  assert.is(operators.find(({ operator }) => operator === "Sin")?.calls, 5);
  assert.is(
    operators.find(({ operator }) => operator === "Loop"),
    undefined,
  );
  assert.is(parts.find(({ part }) => part === "turn")?.calls, 5);
});

test("without arguments: like the last call that compiled something, with none of its tensors", async () => {
  const compiled = jit(step, { donate: [1] });
  try {
    await profile(compiled);
    assert.unreachable();
  } catch (error) {
    assert.match(
      (error as Error).message,
      "'step' has not been called; call it first, or profile it with arguments",
    );
  }
  const weight = tf.clone(args[1]);
  const given = [args[0], tf.tensor2d(weight.dataSync().slice(), [32, 32])] as [Tensor, Tensor];
  await compiled(...given);
  const tensors = tf.memory().numTensors;
  const { products, flops } = await profile(compiled, { runs: 1 });
  assert.is(flops, 8 * 2 * 64 * 32 * 32);
  assert.ok(
    products.every(({ shapes }) => /^(64x32|32x32) (64x32|32x32)$/.test(shapes)),
    JSON.stringify(products),
  );
  assert.is(tf.memory().numTensors, tensors);
  await compiled.dispose();
});

test("donated arguments are profiled in place, on copies", async () => {
  const compiled = jit(({ w }: { w: Tensor }, x: Tensor) => ({ state: { w: tf.add(w, x) } }), {
    donate: [0],
  });
  const [w, x] = [tf.ones([4]), tf.ones([4])];
  await compiled.profile([{ w }, x], { runs: 3 });
  assert.equal([...w.dataSync()], [1, 1, 1, 1]);
  await compiled({ w }, x);
  assert.is(compiled.stats.traces[0].inPlace, 1);
  assert.ok(w.isDisposed);
  await compiled.dispose();
});

test("a profile is data, a text, and HTML that shows a part once in each view", async () => {
  const compiled = jit(step, { name: "a <b> & c" });
  const result = await compiled.profile(args, { runs: 1 });
  const data = JSON.parse(JSON.stringify(result));
  assert.equal(Object.keys(data).sort(), [
    "flops",
    "memory",
    "name",
    "nodes",
    "operators",
    "parts",
    "products",
    "seconds",
  ]);
  assert.match(String(result), /By part\npart +calls +time +share\n/);
  assert.match(String(result), /\nlayers\/gradient +\d+/);
  const bundle = (result as never as Record<symbol, () => Record<string, string>>)[
    Symbol.for("Jupyter.display")
  ]();
  assert.is(bundle["text/plain"], String(result));
  assert.is(bundle["text/html"], result.toHtml());
  assert.match(result.toHtml(), "a &lt;b&gt; &amp; c");
  assert.not.match(result.toHtml(), "<script");
  assert.match(result.toHtml(), /<svg[^>]*>.*<title>layers\/gradient: /);
  await compiled.dispose();
});

test.run();
