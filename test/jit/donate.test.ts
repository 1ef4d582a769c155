/** Donated arguments: results in their memory, the same numbers as without, and nothing that is still needed overwritten. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bufferOf } from "../../lib/jit/buffers.ts";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

type State = Record<string, Tensor>;
/** Where a result lies, looked up without reading it: what has been read is never written again. */
const memory = (tensor: Tensor): unknown => (bufferOf(tensor)?.data as Float32Array | undefined)?.buffer;
const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());

/** Momentum on a norm, as an optimizer with clipping has it. */
const momentum = ({ p, m }: State, g: Tensor): { state: State; norm: Tensor } => {
  const norm = tf.sqrt(tf.sum(tf.square(tf.mul(p, g))));
  const next = tf.add(tf.mul(m, 0.9), tf.div(g, norm));
  return { state: { p: tf.sub(p, tf.mul(next, 0.1)), m: next }, norm };
};

test("state is updated where it lies, with the numbers of a plain call", async () => {
  const plain = jit(momentum);
  const donating = jit(momentum, { donate: [0] });
  const fresh = (): State => ({ p: tf.tensor1d([1, 2, 3]), m: tf.zeros([3]) });
  const g = tf.tensor1d([0.5, -1, 2]);
  let [expected, state] = [fresh(), fresh()];
  let places: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    const wanted = await plain(expected, g);
    const result = await donating(state, g);
    expected = wanted.state;
    state = result.state;
    assert.equal(numbers(result.norm), numbers(wanted.norm));
    // The arrays of the first call are the caller's; its results are the first that may be written over.
    assert.is(donating.stats.traces[0].overwritten, 2 * i);
    const now = Object.values(state).map(memory);
    assert.ok(now.every((place, n) => place !== undefined && (i === 0 || place === places[n])));
    places = now;
  }
  for (const name of ["p", "m"]) assert.equal(numbers(state[name]), numbers(expected[name]));
  assert.is(donating.stats.traces[0].inPlace, 2);
  assert.is(plain.stats.traces[0].inPlace, 0);
});

test("a donated tensor is gone afterwards", async () => {
  const step = jit(momentum, { donate: [0] });
  const state = { p: tf.tensor1d([1]), m: tf.tensor1d([1]) };
  const g = tf.tensor1d([1]);
  const gone = /'arg0\/p' was donated to an earlier call of 'momentum'; it is gone/;
  const both = [step(state, g), step(state, g)];
  // Also while the call that took it is under way, and by whatever means.
  await rejects(both[1], gone);
  assert.throws(() => state.p.dataSync(), /disposed/);
  assert.throws(() => tf.add(state.p, 1), /this tensor was donated to an earlier call of .momentum/);
  await rejects(
    jit((x: Tensor) => tf.neg(x))(state.p),
    /'arg0' was donated to an earlier call of 'momentum'/,
  );
  const { state: next } = await both[0];
  await rejects(step(state, g), gone);
  const { p } = next;
  await rejects(step({ p, m: p }, g), /'arg0\/m' was donated twice to one call of 'momentum'/);
  // A call that was refused took nothing.
  assert.equal(p.shape, [1]);
  assert.ok(Number.isFinite(numbers(p)[0]));
  p.dispose();
  await rejects(step(next, g), /'arg0\/p' has been disposed/);
});

const add = ({ w }: State, g: Tensor): State => ({ w: tf.add(w, g) });

test("an earlier call that reads a tensor is done before a later one writes over it", async () => {
  const update = jit(add, { donate: [0] });
  // Slow enough to be under way while the update would run.
  const slow = jit(({ w }: State, x: Tensor) => {
    let y = x;
    for (let i = 0; i < 60; i++) y = tf.tanh(tf.matMul(y as never, x as never));
    return tf.add(tf.mul(tf.sum(y), 0), w);
  });
  const x = tf.mul(tf.ones([256, 256]), 0.01);
  const g = tf.ones([1000]);
  let state = await update({ w: tf.zeros([1000]) }, g);
  await slow(state, x); // compiled
  for (let i = 1; i <= 5; i++) {
    const reading = slow(state, x);
    const writing = update(state, g);
    const refused = slow(state, x);
    await rejects(refused, /'arg0\/w' was donated to an earlier call of 'add'/);
    assert.ok(
      numbers(await reading).every((value) => value === i),
      "the call saw a later update",
    );
    state = await writing;
  }
  assert.is(update.stats.traces[0].overwritten, 5);
  assert.equal(numbers(state.w).slice(0, 2), [6, 6]);
});

test("arrays that the caller holds are never written", async () => {
  const update = jit(add, { donate: [0] });
  const g = tf.ones([4]);
  const own = new Float32Array([1, 2, 3, 4]);
  const { w } = await update({ w: tf.tensor1d(own) }, g);
  assert.equal([...own], [1, 2, 3, 4]);

  const kept: { array: Float32Array; was: number[] }[] = [];
  const keep = (array: unknown): void => {
    kept.push({ array: array as Float32Array, was: [...(array as Float32Array)] });
  };
  let state: State = { w };
  const ways: ((tensor: Tensor) => void | Promise<void>)[] = [
    (tensor) => keep(tensor.dataSync()),
    async (tensor) => keep(await tensor.data()),
    (tensor) => keep(tensor.bufferSync().values),
    (tensor) => keep(tf.slice(tensor, 1, 2).dataSync()),
    (tensor) => keep(tf.clone(tensor).dataSync()),
    (tensor) => keep(tf.reshape(tensor, [2, 2]).dataSync()),
    (tensor) => keep(tf.variable(tensor).dataSync()),
  ];
  for (const way of ways) {
    await way(state.w);
    state = await update(state, g);
    state = await update(state, g);
  }
  for (const { array, was } of kept) assert.equal([...array], was);
  assert.equal(
    numbers(state.w),
    [1, 2, 3, 4].map((value) => value + 1 + 2 * ways.length),
  );
});

test("donated tensors over one array, or parts of it, do not overwrite each other", async () => {
  const update = jit(({ a, b }: State) => ({ a: tf.add(a, 10), b: tf.mul(b, 2) }), { donate: [0] });
  const one = new Float32Array([1, 2, 3, 4]);
  for (const [a, b] of [
    [one, one],
    [one.subarray(0, 3), one.subarray(1, 4)],
  ]) {
    const result = await update({ a: tf.tensor1d(a), b: tf.tensor1d(b) });
    assert.equal(
      numbers(result.a),
      Array.from(a, (value) => value + 10),
    );
    assert.equal(
      numbers(result.b),
      Array.from(b, (value) => value * 2),
    );
  }
  assert.equal([...one], [1, 2, 3, 4]);
  // The same for results of compiled functions that eager operations have made views of.
  const { w } = await jit(add)({ w: tf.tensor1d([1, 2, 3, 4]) }, tf.zeros([4]));
  const [a, b] = [tf.slice(w, 0, 3), tf.slice(w, 1, 3)];
  const result = await update({ a, b });
  assert.equal(
    [numbers(result.a), numbers(result.b)],
    [
      [11, 12, 13],
      [4, 6, 8],
    ],
  );
  assert.equal(numbers(w), [1, 2, 3, 4]);
});

test("a call that fails gives its arguments back", async () => {
  const update = jit(({ w, m }: State, at: Tensor) => ({ w: tf.gather(w, at as never), m: tf.add(m, 1) }), {
    donate: [0],
  });
  let state: State = { w: tf.tensor1d([1, 2]), m: tf.tensor1d([5]) };
  state = await update(state, tf.tensor1d([1, 0], "int32"));
  // An index that is out of range fails in the middle of the run.
  const failing = update(state, tf.tensor1d([7, 0], "int32"));
  assert.ok(state.w.isDisposed);
  await rejects(failing, /the run failed/);
  assert.equal(numbers(state.w), [2, 1]);
  // The run may have begun to write over this one: it is gone rather than wrong.
  assert.ok(state.m.isDisposed);
  state = await update({ w: state.w, m: tf.tensor1d([8]) }, tf.tensor1d([0, 0], "int32"));
  assert.equal([numbers(state.w), numbers(state.m)], [[2, 2], [9]]);
});

test("a function that cannot be traced leaves its arguments alone", async () => {
  const step = jit(
    (x: Tensor): Tensor => {
      x.dataSync();
      return x;
    },
    { donate: [0] },
  );
  const x = tf.tensor1d([1, 2]);
  await rejects(step(x), /was read/);
  assert.equal(x.dataSync(), new Float32Array([1, 2]));
});

test("numbers that another tensor holds too are copied and not overwritten", async () => {
  const step = jit(({ p, e }: State) => ({ p: tf.mul(p, 2), e: tf.add(e, 1) }), { donate: [0] });
  const p = tf.tensor1d([1, 2]);
  const kept = tf.clone(p);
  const result = await step({ p, e: tf.clone(p) });
  assert.equal(kept.dataSync(), new Float32Array([1, 2]));
  assert.equal(result.p.dataSync(), new Float32Array([2, 4]));
  assert.equal(result.e.dataSync(), new Float32Array([2, 3]));
});

test("an argument that comes back as it is keeps its memory", async () => {
  const step = jit(({ p, fixed }: State) => ({ p: tf.add(p, fixed), fixed }), { donate: [0] });
  const first = await step({
    p: tf.tensor1d([1]),
    fixed: await jit((x: Tensor) => tf.mul(x, 5))(tf.ones([1])),
  });
  const place = memory(first.fixed);
  const result = await step(first);
  assert.ok(place !== undefined && memory(result.fixed) === place);
  assert.equal([numbers(result.p), numbers(result.fixed)], [[11], [5]]);
  const own = new Float32Array([5]);
  const returned = await step({ p: tf.tensor1d([1]), fixed: tf.tensor1d(own) });
  const update = jit(add, { donate: [0] });
  assert.equal(numbers((await update({ w: returned.fixed }, tf.ones([1]))).w), [6]);
  assert.equal([...own], [5], "an argument that came back as it is was still the caller's array");
});

test("what is still to be read is not overwritten", async () => {
  const update = ({ p }: State) => ({ p: tf.mul(p, 2), product: tf.matMul(p as never, p as never) });
  const step = jit(update, { donate: [0] });
  const result = await step({
    p: tf.tensor2d([
      [1, 2],
      [3, 4],
    ]),
  });
  assert.is(step.stats.traces[0].inPlace, 0, "nothing says that the product is made before the sum");
  assert.equal(result.p.dataSync(), new Float32Array([2, 4, 6, 8]));
  assert.equal(result.product.dataSync(), new Float32Array([7, 10, 15, 22]));
});

test("a view that is itself a result is read before its memory is overwritten", async () => {
  const update = ({ p }: State) => ({ p: tf.mul(p, 2), flat: tf.reshape(p, [4]) });
  const step = jit(update, { donate: [0] });
  const result = await step({
    p: tf.tensor2d([
      [1, 2],
      [3, 4],
    ]),
  });
  assert.is(step.stats.traces[0].inPlace, 0, "nothing says that the view is copied before the product");
  assert.equal(result.p.dataSync(), new Float32Array([2, 4, 6, 8]));
  assert.equal(result.flat.dataSync(), new Float32Array([1, 2, 3, 4]));
});

const OPERATIONS: ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a, b) => tf.add(a, b),
  (a, b) => tf.sub(a, b),
  (a, b) => tf.mul(tf.tanh(a), b),
  (a, b) => tf.tanh(tf.matMul(a as never, b as never)),
  (a, b) => tf.add(tf.transpose(a), b),
  (a, b) => tf.mul(a, tf.mean(tf.square(b))),
  (a, b) => tf.add(tf.reshape(tf.reshape(a, [9]), [3, 3]), b),
  (a, b) => tf.div(a, tf.add(tf.abs(b), 1)),
];

/** A tensor of a random interleaving, and the numbers that it must have. */
interface Held {
  tensor: Tensor;
  values: number[];
  gone: false | "donated" | "disposed";
}

test("random interleavings of calls, donations, reads and disposals", async () => {
  const SIZE = 64;
  /** Tensors that commands choose among: the newest ones. */
  const RECENT = 6;
  const own = jit((x: Tensor) => tf.add(x, 0));
  const heavy = (x: Tensor): Tensor => {
    const square = tf.reshape(tf.tile(x, [SIZE]), [SIZE, SIZE]);
    return tf.mul(tf.sum(tf.matMul(tf.matMul(square as never, square as never), square as never)), 0);
  };
  const read = jit((a: Tensor, b: Tensor) => tf.add(tf.add(a, tf.mul(b, 2)), heavy(a)));
  const update = jit(
    ({ p, m }: State, g: Tensor) => {
      const next = tf.add(tf.mul(m, 0.5), g);
      return { p: tf.sub(p, next), m: next };
    },
    { donate: [0] },
  );
  const swap = jit(({ p, m }: State) => ({ p: tf.add(m, 1), m: p }), { donate: [0] });
  const command = fc.tuple(fc.nat(9), fc.nat(1000), fc.nat(1000), fc.nat(1000));
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40 }), async (commands) => {
      const pool: Held[] = [];
      const kept: { array: ArrayLike<number>; was: number[] }[] = [];
      let pending: Promise<void>[] = [];
      const settle = async (): Promise<void> => {
        await Promise.all(pending);
        pending = [];
      };
      const hold = (tensor: Tensor, values: number[]): number => pool.push({ tensor, values, gone: false });
      const fresh = async (seed: number): Promise<void> => {
        const values = Array.from({ length: SIZE }, (_, i) => ((i * 7 + seed) % 32) - 16);
        hold(await own(tf.tensor1d(values)), values);
      };
      const expectation = async (
        call: Promise<Tensor | State>,
        wanted: Record<string, number[]> | undefined,
      ) => {
        const result = await call.then(
          (value) => value,
          (error: Error) => error,
        );
        if (!wanted) return assert.match((result as Error).message, /donated|disposed/);
        assert.not(result instanceof Error, String(result));
        const tensors: State = result instanceof tf.Tensor ? { result } : (result as State);
        for (const [name, values] of Object.entries(wanted)) hold(tensors[name], values);
      };
      for (const seed of [1, 2, 3]) await fresh(seed);
      for (const [kind, i, j, k] of commands) {
        const [a, b, c] = [i, j, k].map((n) => pool[pool.length - 1 - (n % Math.min(RECENT, pool.length))]);
        const zip = (of: (x: number, y: number, z: number) => number): number[] =>
          a.values.map((x, n) => of(x, b.values[n], c.values[n]));
        const usable = ![a, b].some(({ gone }) => gone);
        if (kind <= 2) {
          pending.push(
            expectation(read(a.tensor, b.tensor), usable ? { result: zip((x, y) => x + 2 * y) } : undefined),
          );
        } else if (kind <= 5) {
          const fine = usable && a !== b && (kind === 5 || !c.gone);
          const state = { p: a.tensor, m: b.tensor };
          const wanted =
            kind === 5
              ? { p: b.values.map((y) => y + 1), m: a.values }
              : { p: zip((x, y, z) => x - (y / 2 + z)), m: zip((_, y, z) => y / 2 + z) };
          const call = kind === 5 ? swap(state) : update(state, c.tensor);
          pending.push(expectation(call, fine ? wanted : undefined));
          if (fine) a.gone = b.gone = "donated";
        } else if (kind === 6) {
          if (a.gone) assert.throws(() => a.tensor.dataSync(), /disposed/);
          else kept.push({ array: a.tensor.dataSync(), was: a.values });
        } else if (kind === 7) {
          if (!a.gone) a.tensor.dispose();
          a.gone ||= "disposed";
        } else if (kind === 8) {
          if (a.gone === "donated") assert.throws(() => tf.clone(a.tensor), /was donated/);
          // tfjs does not always mind a disposed tensor whose numbers another one shares.
          else if (!a.gone) hold(j % 2 ? tf.clone(a.tensor) : tf.reshape(a.tensor, [SIZE]), a.values);
        } else await settle();
        if (pool.slice(-RECENT).every(({ gone }) => gone)) await fresh(i);
      }
      await settle();
      for (const { tensor, values, gone } of pool)
        if (!gone) assert.equal(numbers(tensor), values.map(Math.fround));
      for (const { array, was } of kept) assert.equal(Array.from(array), was.map(Math.fround));
    }),
    { numRuns: 150 },
  );
  const { overwritten } = update.stats.traces[0];
  assert.ok(overwritten > 30, `memory was written over ${overwritten} times only`);
  await Promise.all([own, read, update, swap].map((compiled) => compiled.dispose()));
});

test("random updates give the same with donated memory", async () => {
  const step = fc.tuple(fc.nat(OPERATIONS.length - 1), fc.nat(99), fc.nat(99));
  const program = fc.record({
    steps: fc.array(step, { minLength: 2, maxLength: 12 }),
    results: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)),
  });
  let inPlace = 0;
  await fc.assert(
    fc.asyncProperty(program, async ({ steps, results }) => {
      const update = (state: State): { state: State } => {
        const values = Object.values(state);
        for (const [operation, a, b] of steps)
          values.push(OPERATIONS[operation](values[a % values.length], values[b % values.length]));
        return { state: Object.fromEntries(results.map((r, i) => [`x${i}`, values[r % values.length]])) };
      };
      const fresh = (): State =>
        Object.fromEntries(
          [0, 1, 2].map((i) => [`x${i}`, tf.reshape(tf.linspace(-1 + i / 3, 1 - i / 5, 9), [3, 3])]),
        );
      const [plain, donating] = [jit(update), jit(update, { donate: [0] })];
      let [expected, state] = [fresh(), fresh()];
      for (let i = 0; i < 3; i++) {
        expected = (await plain(expected)).state;
        state = (await donating(state)).state;
      }
      for (const name of Object.keys(state)) assert.equal(numbers(state[name]), numbers(expected[name]));
      inPlace += donating.stats.traces[0].inPlace;
      await Promise.all([plain.dispose(), donating.dispose()]);
    }),
    { numRuns: 150 },
  );
  assert.ok(inPlace > 50, `only ${inPlace} outputs were in place`);
});

test("results that nobody holds are freed, disposed or not", async () => {
  const SIZE = 2 ** 20;
  const double = jit((x: Tensor) => tf.mul(x, 2));
  const x = tf.ones([SIZE]);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 500; i++) await double(x);
  // Two gigabytes of results have passed.
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 700, `${Math.round(grown)} MiB more`);
  await double.dispose();
});

test.run();
