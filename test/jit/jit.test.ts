/** What `jit` promises beyond the numbers: identity of programs, captured tensors, concurrency, errors, a clean engine. */
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { normalTensor, randomGenerator, randomStream, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());
const x = tf.tensor1d([1, -2, 3]);

test("plain values that JSON would confuse are different programs", async () => {
  const values = [
    0,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    null,
    undefined,
    "undefined",
    "null",
    "NaN",
    "",
    "0",
    true,
    "true",
    [],
    {},
  ];
  const f = jit((t: Tensor, n: unknown) => tf.add(t, typeof n === "number" && Object.is(n, -0) ? 1 : 2), {
    threads: 1,
  });
  for (const [i, value] of values.entries()) {
    await f(x, value);
    await f(x, value);
    assert.is(f.stats.traces.length, i + 1, `${String(value)} (number ${i})`);
  }
  assert.equal(numbers(await f(x, -0)), [2, -1, 4]);
  assert.equal(numbers(await f(x, 0)), [3, 0, 5]);
  await f.dispose();
});

test("a missing key, an undefined value and text that looks like a tensor are told apart", async () => {
  const f = jit((tree: Record<string, unknown>) => tf.mul(x, tree.t as Tensor), { threads: 1 });
  const t = tf.scalar(2);
  const trees = [
    { t },
    { t, u: undefined },
    { t, u: null },
    { t, u: "float32[]" },
    { t, u: "\u0000float32[]" },
    { t, u: t },
    { t, u: [t] },
    { t, u: { 0: t } },
  ];
  for (const [i, tree] of trees.entries()) {
    await f(tree);
    assert.is(f.stats.traces.length, i + 1);
  }
  await f.dispose();
});

test("inputs with alike names are different inputs", () => {
  const t = (n: number): Tensor => tf.scalar(n);
  const tree = {
    "a/b": t(1),
    a: { b: t(2), "": t(3) },
    "": { x: t(4) },
    x: t(5),
    "a~1b": t(6),
    "a.b": t(7),
    "a,arg0/b": t(8),
    1: [t(9)],
    "1/0": t(10),
  };
  const f = jit((all: typeof tree) => ({
    sum: tf.addN([
      all["a/b"],
      all.a.b,
      all.a[""],
      all[""].x,
      all.x,
      all["a~1b"],
      all["a.b"],
      all["a,arg0/b"],
      all[1][0],
      all["1/0"],
    ]),
  }));
  const names = f.lower([tree]).inputs.map(({ name }) => name);
  assert.is(new Set(names).size, 10);
  assert.ok(names.includes("arg0/a~1b") && names.includes("arg0/a/b"));
});

test("all of those inputs reach the right place", async () => {
  const f = jit((tree: { "a/b": Tensor; a: { b: Tensor }; "": { x: Tensor }; x: Tensor }) => ({
    "o/p": tf.sub(tree["a/b"], tree.a.b),
    o: { p: tf.sub(tree[""].x, tree.x) },
  }));
  const out = await f({
    "a/b": tf.scalar(10),
    a: { b: tf.scalar(3) },
    "": { x: tf.scalar(1) },
    x: tf.scalar(5),
  });
  assert.equal([...numbers(out["o/p"]), ...numbers(out.o.p)], [7, -4]);
  await f.dispose();
});

test("tensors from outside that share memory keep their own shape and dtype", async () => {
  const flat = tf.tensor1d([1, 2, 3, 4, 5, 6]);
  const table = tf.reshape(flat, [2, 3]); // the same data
  const whole = tf.tensor1d([1, 2, 3], "int32");
  const cast = tf.cast(whole, "float32"); // an int32 array under a float32 name
  const fn = (t: Tensor) => [
    tf.mul(t, flat),
    tf.add(table, tf.sum(t)),
    tf.div(cast, tf.add(tf.sum(t), 2)),
    tf.add(whole, tf.cast(tf.sum(t), "int32")),
  ];
  const f = jit(fn);
  const [actual, expected] = [await f(tf.ones([6])), fn(tf.ones([6]))];
  for (const [i, tensor] of expected.entries()) {
    assert.equal(actual[i].shape, tensor.shape);
    assert.is(actual[i].dtype, tensor.dtype);
    assert.equal(numbers(actual[i]), numbers(tensor));
  }
  await f.dispose();
});

test("an int32 tensor cast to float32 outside is fed as float32", async () => {
  const f = jit((t: Tensor) => tf.div(t, 2));
  assert.equal(numbers(await f(tf.cast(tf.tensor1d([1, 2, 3], "int32"), "float32"))), [0.5, 1, 1.5]);
  await f.dispose();
});

test("constants that differ in the sign of zero alone are different", async () => {
  const f = jit((t: Tensor) => [tf.div(t, tf.scalar(0)), tf.div(t, tf.scalar(-0))]);
  const [up, down] = await f(tf.scalar(1));
  assert.equal([...numbers(up), ...numbers(down)], [Infinity, -Infinity]);
  await f.dispose();
});

test("empty arrays go in and out", async () => {
  const f = jit((t: Tensor) => [tf.add(t, 1), tf.concat([t, t], 1), tf.sum(t, 0)]);
  const out = await f(tf.zeros([0, 3]));
  assert.equal(
    out.map(({ shape }) => shape),
    [[0, 3], [0, 6], [3]],
  );
  assert.equal(numbers(out[2]), [0, 0, 0]);
  await f.dispose();
});

test("dispose waits for the calls under way, and for those that still compile", async () => {
  const f = jit((t: Tensor) => tf.matMul(t, t));
  const big = tf.ones([256, 256]);
  const first = f(big); // compiling
  await Promise.all([f.dispose(), first]);
  const running = [f(big), f(big), f(tf.ones([2, 2]))];
  await f.dispose();
  for (const result of await Promise.all(running)) assert.is(numbers(result)[0], result.shape[0]);
  assert.is(numbers(await f(big))[0], 256);
  await f.dispose();
});

test("a call under way keeps its arguments even when they are disposed", async () => {
  const f = jit((t: Tensor) => tf.mul(t, 2));
  await f(x);
  const t = tf.tensor1d([5, 6, 7]);
  const result = f(t);
  t.dispose();
  assert.equal(numbers(await result), [10, 12, 14]);
  await f.dispose();
});

test("a failed trace is not remembered, and the next one is right", async () => {
  let broken = true;
  const f = jit((t: Tensor) => {
    if (broken) throw new Error("not yet");
    return tf.add(t, 1);
  });
  await rejects(f(x), /^not yet$/);
  broken = false;
  assert.equal(numbers(await f(x)), [2, -1, 4]);
  assert.is(f.stats.traces.length, 1);
  await f.dispose();
});

const leaves: [string, (t: Tensor) => unknown][] = [
  ["a result", (t) => tf.add(t, 1)],
  ["a gradient", (t) => tf.grad((y) => tf.sum(tf.square(tf.softmax(y as Tensor))))(t)],
  ["a constant of its own", (t) => tf.add(t, tf.tensor1d([1, 2, 3]))],
  [
    "an error in a gradient",
    (t) =>
      tf.grad(() => {
        throw new Error("stop");
      })(t),
  ],
  ["an error in tidy", (t) => tf.tidy(() => [tf.exp(t), t.dataSync()][0] as Tensor)],
  [
    "an error in customGrad",
    (t) =>
      tf.customGrad(() => {
        throw new Error("stop");
      })(t),
  ],
];
for (const [what, fn] of leaves) {
  test(`tracing leaves no tensor, buffer or byte behind: ${what}`, async () => {
    const measure = (): number[] => {
      const { numTensors, numDataBuffers, numBytes } = tf.memory();
      return [numTensors, numDataBuffers, numBytes];
    };
    const before = measure();
    const f = jit(fn as (t: Tensor) => Tensor, { threads: 1 });
    for (let i = 0; i < 2; i++) {
      await f(x).then(
        (result) => result.dispose(),
        () => {},
      );
      await f.dispose();
    }
    assert.equal(measure(), before);
    // The engine is not left in the middle of a gradient or a scope.
    assert.equal(numbers(tf.grad((y) => tf.sum(tf.square(y as Tensor)))(x)), [2, -4, 6]);
  });
}

const here = fileURLToPath(import.meta.url);
test("errors name the user's line, also where the path looks like the library's", async () => {
  const read = (t: Tensor): Tensor => tf.mul(t, t.dataSync()[0]);
  await rejects(jit(read)(x), new RegExp(`was read at .*${here.split("/").pop()}:\\d+:\\d+`));
  await rejects(
    jit((t: Tensor) => [t.print(), t][1] as Tensor)(x),
    /value of a traced tensor \(\[3\] float32\) was read at .*jit\.test\.ts/,
  );
});

test("a compiled function inside another is refused, awaited or not", async () => {
  const inner = jit((t: Tensor) => tf.add(t, 1));
  const refused =
    /a jit function was called inside a traced function at .*jit\.test\.ts.*call the plain function/;
  await rejects(jit((t: Tensor) => inner(t) as unknown as Tensor)(x), refused);
  await rejects(jit((t: Tensor) => [inner(t), tf.add(t, 1)][1] as Tensor)(x), refused);
  await rejects(
    jit((t: Tensor) => {
      try {
        return inner(t) as unknown as Tensor;
      } catch {
        return t;
      }
    })(x),
    refused,
  );
  assert.equal(numbers(await inner(x)), [2, -1, 4]);
  await inner.dispose();
});

test("leaves of other types are named, going in and coming out", async () => {
  class Box {
    value = x;
  }
  for (const [value, what] of [
    [new Box(), "Box"],
    [new Map(), "Map"],
    [10n, "bigint"],
    [Symbol("s"), "symbol"],
    [() => x, "function"],
    [new Date(0), "Date"],
  ] as const) {
    await rejects(
      jit((tree: unknown) => [x, tree] as unknown as Tensor)({ deep: [value] }),
      new RegExp(`tree leaf 'deep/0' is a ${what}; expected`),
    );
    await rejects(
      jit((t: Tensor) => ({ t, deep: [value] }))(x),
      new RegExp(`tree leaf 'deep/0' is a ${what}; expected`),
    );
  }
});

test("whatever draws inside a traced function is refused, because it would be frozen", async () => {
  const outside = randomGenerator(1);
  const draws: [what: RegExp, draw: () => number][] = [
    [/Math\.random was called/, () => Math.random()],
    [/tf\.randomNormal was called/, () => tf.randomNormal([1]).size],
    [/crypto\.getRandomValues was called/, () => crypto.getRandomValues(new Uint8Array(1))[0]],
    [/a random generator was called/, () => outside.normal()],
    [/a random generator was called/, () => outside.uniforms(2)[0]],
    [/a random generator was called/, () => randomGenerator(0).permutation(3)[0]],
    [/a random generator was called/, () => randomStream(0, "noise").integer(3)],
    [/a random generator was called/, () => normalTensor(outside, [2]).size],
  ];
  for (const [what, draw] of draws) {
    await rejects(jit((t: Tensor) => tf.add(t, draw()))(x), what);
    await rejects(jit((t: Tensor) => tf.add(t, draw()))(x), /frozen, so draw on the host/);
  }
  // Afterwards all of them draw again.
  for (const [, draw] of draws) assert.ok(Number.isFinite(draw()));
});

test("complex and text tensors are refused by name", async () => {
  await rejects(
    jit((t: Tensor) => tf.real(t))(tf.complex([1], [2])),
    /input 'arg0' has dtype complex64; expected float32, int32, bool/,
  );
  await rejects(
    jit((t: { s: Tensor }) => t.s)({ s: tf.tensor1d(["a"]) }),
    /input 'arg0\/s' has dtype string/,
  );
});

test("many programs of one function give a warning", async () => {
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  const f = jit((t: Tensor, n: number) => tf.mul(t, n), { name: "scaled", threads: 1 });
  for (let n = 0; n < 16; n++) await f(x, n);
  assert.match((await warned).message, /'scaled' was traced 16 times; pass numbers that change as tensors/);
  await f.dispose();
});

test.run();
