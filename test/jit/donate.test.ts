/** Donated arguments: results in their memory, the same numbers as without, and nothing that is still needed overwritten. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

type State = Record<string, Tensor>;
const memory = (tensor: Tensor): unknown => (tensor.dataSync() as Float32Array).buffer;

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
  const places = Object.values(state).map(memory);
  for (let i = 0; i < 3; i++) {
    const wanted = await plain(expected, g);
    const result = await donating(state, g);
    expected = wanted.state;
    state = result.state;
    for (const name of ["p", "m"]) assert.equal(state[name].dataSync(), expected[name].dataSync());
    assert.equal(result.norm.dataSync(), wanted.norm.dataSync());
    assert.equal(Object.values(state).map(memory), places);
  }
  assert.is(donating.stats.traces[0].inPlace, 2);
  assert.is(plain.stats.traces[0].inPlace, 0);
});

test("a donated tensor is gone afterwards", async () => {
  const step = jit(momentum, { donate: [0] });
  const state = { p: tf.tensor1d([1]), m: tf.tensor1d([1]) };
  const g = tf.tensor1d([1]);
  const both = [step(state, g), step(state, g)];
  await both[0];
  await rejects(both[1], /'arg0\/p' was donated to an earlier call/);
  await rejects(step(state, g), /disposed/);
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
  const state = { p: tf.tensor1d([1]), fixed: tf.tensor1d([5]) };
  const place = memory(state.fixed);
  const result = await step(state);
  assert.is(memory(result.fixed), place);
  assert.equal(result.p.dataSync(), new Float32Array([6]));
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
      for (let i = 0; i < 2; i++) {
        expected = (await plain(expected)).state;
        state = (await donating(state)).state;
        for (const name of Object.keys(state))
          assert.equal(state[name].dataSync(), expected[name].dataSync());
      }
      inPlace += donating.stats.traces[0].inPlace;
      await Promise.all([plain.dispose(), donating.dispose()]);
    }),
    { numRuns: 150 },
  );
  assert.ok(inPlace > 50, `only ${inPlace} outputs were in place`);
});

test.run();
