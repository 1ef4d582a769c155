import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";

const a = tf.tensor2d([
  [1, -2, 3],
  [0.5, 4, -1],
]);
const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());

/** What tracing must leave as it was. */
const surroundings = () => ({
  backend: tf.getBackend(),
  random: Math.random,
  scope: tf.engine().startScope,
  tensors: tf.memory().numTensors,
});

test("trees of objects and arrays go in and out, with plain values kept", async () => {
  const f = jit(
    (tree: {
      x: Tensor;
      list: [Tensor, { deep: Tensor }];
      n: number;
      s: string;
      nothing: null;
      gone?: undefined;
    }) => ({
      sum: tf.add(tree.x, tree.list[0]),
      rest: [tf.mul(tree.list[1].deep, tree.n), tree.s, tree.nothing, tree.gone, true],
    }),
  );
  const out = await f({ x: a, list: [a, { deep: a }], n: 3, s: "kept", nothing: null, gone: undefined });
  assert.equal(numbers(out.sum), numbers(tf.mul(a, 2)));
  assert.equal(numbers(out.rest[0] as Tensor), numbers(tf.mul(a, 3)));
  assert.equal(out.rest.slice(1), ["kept", null, undefined, true]);
});

test("paths that look alike are different inputs", async () => {
  const f = jit((tree: { "x/y": Tensor; x: { y: Tensor } }) => tf.sub(tree["x/y"], tree.x.y));
  assert.equal(numbers(await f({ "x/y": tf.scalar(5), x: { y: tf.scalar(3) } })), [2]);
  const g = jit((tree: { "~1": Tensor; "/": Tensor }) => tf.sub(tree["~1"], tree["/"]));
  assert.equal(numbers(await g({ "~1": tf.scalar(5), "/": tf.scalar(3) })), [2]);
});

test("one trace a structure: shapes, dtypes, keys and plain values tell them apart", async () => {
  const f = jit((x: Tensor, n: unknown) => tf.mul(x, typeof n === "number" ? n : 7));
  const call = async (x: Tensor, n: unknown): Promise<number> => {
    await f(x, n);
    return f.stats.traces.length;
  };
  assert.is(await call(a, 1), 1);
  assert.is(await call(tf.ones([2, 3]), 1), 1);
  assert.is(await call(tf.ones([3, 2]), 1), 2);
  assert.is(await call(tf.ones([2, 3], "int32"), 1), 3);
  assert.is(await call(a, "1"), 4);
  assert.is(await call(a, undefined), 5);
  assert.is(await call(a, null), 6);
  assert.is(await call(a, Number.NaN), 7);
  assert.is(await call(a, Number.POSITIVE_INFINITY), 8);
  assert.is(await call(a, 1), 8);
  assert.equal(numbers(await f(a, 2)), numbers(tf.mul(a, 2)));
});

test("differentiation inside: valueAndGrads and customGrad", async () => {
  const cube = (x: Tensor): Tensor =>
    tf.customGrad((...args) => {
      const [x, save] = args as [Tensor, (tensors: Tensor[]) => void];
      save([x]);
      // Not the true gradient, so that its use can be told.
      return {
        value: tf.pow(x, 3),
        gradFunc: (dy: Tensor, [saved]: Tensor[]) => tf.mul(dy, tf.mul(saved, 10)),
      };
    })(x);
  const f = jit(
    (x: Tensor) => tf.valueAndGrad((y) => tf.sum(cube(y as Tensor)))(x) as { value: Tensor; grad: Tensor },
  );
  const { value, grad } = await f(a);
  assert.ok(Math.abs(value.dataSync()[0] - numbers(a).reduce((sum, x) => sum + x ** 3, 0)) < 1e-4);
  assert.equal(
    numbers(grad),
    numbers(a).map((x) => 10 * x),
  );
});

test("state that comes back is fed again, and equals eager steps", async () => {
  const step = (state: { x: Tensor; n: Tensor }) => ({
    x: tf.add(tf.mul(state.x, 0.5), 1),
    n: tf.add(state.n, tf.scalar(1, "int32")),
  });
  const f = jit(step);
  let [compiled, eager] = [
    { x: a as Tensor, n: tf.scalar(0, "int32") as Tensor },
    { x: a as Tensor, n: tf.scalar(0, "int32") as Tensor },
  ];
  for (let i = 0; i < 5; i++) [compiled, eager] = [await f(compiled), step(eager)];
  assert.equal(numbers(compiled.x), numbers(eager.x));
  assert.equal(numbers(compiled.n), [5]);
  assert.is(f.stats.traces.length, 1);
});

test("an input, the same output twice, bool and int results", async () => {
  const f = jit((x: Tensor) => {
    const y = tf.add(x, 1);
    return { x, y, again: y, positive: tf.greater(x, 0), index: tf.argMax(x, 1) };
  });
  const out = await f(a);
  assert.equal(numbers(out.x), numbers(a));
  assert.equal(numbers(out.again), numbers(out.y));
  assert.equal([out.positive.dtype, numbers(out.positive)], ["bool", [1, 0, 1, 1, 1, 0]]);
  assert.equal([out.index.dtype, numbers(out.index)], ["int32", [2, 1]]);
});

test("a tensor from outside is a constant, and stays usable, eagerly and in other traces", async () => {
  const outside = tf.tensor1d([1, 2, 3]);
  const [f, g] = [jit((x: Tensor) => tf.mul(x, outside)), jit((x: Tensor) => tf.add(x, outside))];
  assert.equal(numbers(await f(a)), numbers(tf.mul(a, outside)));
  assert.equal(numbers(await g(a)), numbers(tf.add(a, outside)));
  assert.equal(numbers(await f(tf.ones([1, 3]))), [1, 2, 3]);
  assert.equal(numbers(outside), [1, 2, 3]);
});

test("calls at the same time share one compilation", async () => {
  const f = jit((x: Tensor) => tf.mul(x, 2));
  const results = await Promise.all([1, 2, 3, 4].map((n) => f(tf.scalar(n))));
  assert.equal(
    results.map((r) => numbers(r)[0]),
    [2, 4, 6, 8],
  );
  assert.is(f.stats.traces.length, 1);
});

test("a disposed function compiles again", async () => {
  const f = jit((x: Tensor) => tf.mul(x, 2));
  await f(a);
  await f.dispose();
  assert.equal(numbers(await f(a)), numbers(tf.mul(a, 2)));
  assert.is(f.stats.traces.length, 2);
});

const failing: [string, (x: Tensor) => unknown, RegExp][] = [
  [
    "dataSync",
    (x) => tf.mul(x, x.dataSync()[0]),
    /value of a traced tensor \(\[2,3\] float32\) was read at .*behaviour\.test\.ts:\d+:\d+.*return the tensor/,
  ],
  ["data", (x) => [void x.data(), tf.add(x, 1)][1], /was read at .*behaviour\.test\.ts/],
  ["arraySync", (x) => tf.mul(x, x.arraySync() as number[][]), /was read at .*behaviour\.test\.ts/],
  [
    "a condition on a value",
    (x) => (tf.sum(x).dataSync()[0] > 0 ? x : tf.neg(x)),
    /tf\.where instead of a condition/,
  ],
  [
    "randomNormal",
    (x) => tf.add(x, tf.randomNormal([3])),
    /tf\.randomNormal was called inside the traced function at .*behaviour\.test\.ts.*draw on the host/,
  ],
  [
    "randomUniform with a seed",
    (x) => tf.add(x, tf.randomUniform([3], 0, 1, "float32", 5)),
    /tf\.randomUniform was called/,
  ],
  ["truncatedNormal", (x) => tf.add(x, tf.truncatedNormal([3])), /tf\.truncatedNormal was called/],
  ["dropout", (x) => tf.dropout(x, 0.5), /tf\.dropout was called/],
  ["Math.random", (x) => tf.mul(x, Math.random()), /Math\.random was called inside/],
  [
    "an unknown kernel",
    (x) => tf.real(tf.complex(x, x)),
    /kernel 'Complex' cannot be traced at .*behaviour\.test\.ts.*supported kernels: Abs, .*ZerosLike/,
  ],
  [
    "a constant output",
    (x) => ({ x, c: tf.ones([2]) }),
    /output 'out\/c' of 'broken' does not depend on the arguments/,
  ],
  [
    "an output from outside",
    (x) => ({ x, a }),
    /output 'out\/a' of 'broken' does not depend on the arguments/,
  ],
  ["no tensor", () => ({ n: 3 }), /'broken' returned no tensor/],
  ["a promise", async (x) => tf.add(x, 1), /'broken' returned a promise; expected a synchronous function/],
  [
    "jit inside jit",
    (x) => jit((y: Tensor) => tf.add(y, 1)).lower([x]),
    /a jit function was called inside a traced function/,
  ],
  [
    "a typed array in the result",
    () => new Float32Array(2),
    /tree leaf '\(root\)' is a Float32Array; expected a tensor/,
  ],
  ["strings", (x) => [x, tf.tensor1d(["a"])], /string/],
];
for (const [name, fn, message] of failing) {
  test(`refused in one sentence, leaving everything as it was: ${name}`, async () => {
    const before = surroundings();
    await rejects(jit(fn as (x: Tensor) => Tensor, { name: "broken" })(a), message);
    const after = surroundings();
    assert.is(after.backend, before.backend);
    assert.is(after.random, before.random);
    assert.is(after.scope, before.scope);
    assert.equal(
      numbers(tf.add(a, 1)),
      numbers(a).map((x) => x + 1),
    );
  });
}

test("arguments of other types are refused", async () => {
  const f = jit((x: unknown) => x as Tensor);
  for (const [value, what] of [
    [new Map(), "Map"],
    [() => 1, "function"],
    [new Float32Array(1), "Float32Array"],
  ] as const) {
    await rejects(f({ deep: [value] }), new RegExp(`tree leaf 'deep/0' is a ${what}`));
  }
  await rejects(f(tf.tensor1d(["a"])), /input 'arg0' has dtype string; expected float32, int32, bool/);
});

test("a call leaves no tensors behind but its results", async () => {
  const f = jit(
    (x: Tensor) =>
      tf.valueAndGrad((y) => tf.sum(tf.softmax(y as Tensor)))(x) as { value: Tensor; grad: Tensor },
  );
  await f(a);
  const before = tf.memory().numTensors;
  const { value, grad } = await f(a);
  tf.dispose([value, grad]);
  assert.is(tf.memory().numTensors, before);
});

test("a saved model uses standard operators alone and gives the same numbers elsewhere", async () => {
  const f = jit((tree: { x: Tensor; w: Tensor }) => ({
    y: tf.softmax(tf.matMul(tree.x, tree.w, false, true)),
    g: tf.grad((w) => tf.sum(tf.square(tf.matMul(tree.x, w as Tensor, false, true))))(tree.w),
  }));
  const args: [{ x: Tensor; w: Tensor }] = [
    {
      x: a,
      w: tf.tensor2d([
        [1, 2, 3],
        [-1, 0, 1],
      ]),
    },
  ];
  const path = join(await temporaryFolder(), "model.onnx");
  await f.save(path, args);
  const portable = f.lower(args, { portable: true });
  assert.equal(
    Object.keys(portable.operators).filter((op) => op.startsWith("Fused")),
    [],
  );
  assert.ok(Object.keys(f.lower(args).operators).includes("FusedMatMul"));
  const bytes = await readFile(path);
  assert.not.ok(bytes.includes("com.microsoft"));
  assert.equal(
    portable.inputs.map(({ name }) => name),
    ["arg0/x", "arg0/w"],
  );

  const session = await ort.InferenceSession.create(bytes);
  const feeds = {
    "arg0/x": new ort.Tensor(a.dataSync() as Float32Array, [2, 3]),
    "arg0/w": new ort.Tensor(args[0].w.dataSync() as Float32Array, [2, 3]),
  };
  const results = await session.run(feeds);
  const own = await f(...args);
  assert.ok(relativeError(results["out/y"].data as Float32Array, own.y) < 1e-6);
  assert.ok(relativeError(results["out/g"].data as Float32Array, own.g) < 1e-6);
});

test.run();
