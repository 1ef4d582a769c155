/**
 * A process that runs what is more than kernels on a GPU: loops, donated arguments and random programs, beside the
 * processor; a line of JSON for each.
 */
import fc from "fast-check";
import { jit, loop } from "../../../lib/jit/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { flattenTree } from "../../../lib/tensor/tree.ts";
import { evaluate, listing, type Program, programs } from "../programs.ts";
import { GPU_TARGET } from "./target.ts";

const RUNS = Number(process.env.DITLAB_GPU_PROGRAMS ?? 40);
const TOLERANCE = 2e-4;

type Tree = Record<string, Tensor>;
const count = (n: number): Tensor => tf.scalar(n, "int32");
const [x, y] = [tf.tensor2d([[1, -2, 3]]), tf.tensor2d([[0.5, 0.25, -1]])];

/** A function, its arguments in each call, and which are given away. */
interface Item {
  fn(...args: never[]): Tree;
  calls: readonly (readonly (Tensor | Tree)[])[];
  donate?: readonly number[];
}

const loops: Record<string, Item> = {
  "one program for every count, also none": {
    fn: (x: Tensor, n: Tensor) => ({ y: loop(n, tf.onesLike(x), (y) => tf.mul(y, x)) }),
    calls: [0, 1, 2, 5].map((n) => [x, count(n)]),
  },
  "a count that is a plain number, the round's index, and captured values": {
    fn: (x: Tensor, y: Tensor) =>
      loop(4, { a: x, b: y }, ({ a, b }, index) => ({
        a: tf.add(tf.mul(a, 0.5), b),
        b: tf.add(y, tf.cast(index, "float32")),
      })),
    calls: [[x, y]],
  },
  "a count that is computed": {
    fn: (x: Tensor, n: Tensor) => ({ y: loop(tf.add(n, 1), x, (a) => tf.add(a, x)) }),
    calls: [[x, count(2)]],
  },
  "state that changes places, and that stays": {
    fn: (x: Tensor, y: Tensor, n: Tensor) =>
      loop(n, { a: x, b: y, c: tf.mul(x, y) }, ({ a, b, c }) => ({ a: b, b: a, c })),
    calls: [1, 2, 3].map((n) => [x, y, count(n)]),
  },
  "loops inside loops, and values that are used inside and outside": {
    fn: (x: Tensor, n: Tensor) => {
      const squared = tf.square(x);
      const total = loop(n, x, (y) =>
        tf.add(
          loop(2, y, (z) => tf.add(z, squared)),
          tf.mul(y, 0.1),
        ),
      );
      return { total, sum: tf.add(total, squared), again: loop(n, total, (y) => tf.sub(y, squared)) };
    },
    calls: [[x, count(3)]],
  },
  "a result takes no argument's place that another result of its kernel still reads": {
    fn: (state: Tree, x: Tensor) => {
      const g = tf.matMul(x, x, true) as Tensor;
      return { last: g, change: tf.sub(g, state.last), half: tf.mul(tf.add(g, state.last), 0.5) };
    },
    calls: [0, 1].map(() => [{ last: tf.ones([3, 3]) }, x]),
    donate: [0],
  },
  "a loop that keeps what it computed the last time (Adams-Bashforth)": {
    fn: (x: Tensor, n: Tensor) => {
      const weights = tf.tensor2d([
        [0.9, 0.1, 0],
        [-0.2, 0.8, 0.1],
        [0, 0.3, 0.7],
      ]);
      return loop(n, { x, last: tf.zerosLike(x) }, ({ x, last }) => {
        const slope = tf.matMul(x as never, weights) as Tensor;
        return { x: tf.add(x, tf.sub(tf.mul(slope, 0.15), tf.mul(last, 0.05))), last: slope };
      });
    },
    calls: [1, 4].map((n) => [x, count(n)]),
  },
  "arrays of nothing, and constants that have no square root": {
    fn: (x: Tensor, none: Tensor) => ({
      turned: tf.transpose(none),
      summed: tf.sum(tf.concat([x, tf.zeros([0, 3])]), 0),
      running: tf.cumsum(none, 1),
      shares: tf.softmax(tf.transpose(none)),
      where: tf.where(tf.greater(x, 0), tf.log(tf.relu(x)), tf.mul(0, tf.sqrt(tf.abs(tf.scalar(-1))))),
    }),
    calls: [[x, tf.zeros([0, 3])]],
  },
  "donated state is not overwritten while a loop still reads it": {
    fn: (state: Tree, n: Tensor) => ({
      p: tf.mul(state.p, 2),
      sum: loop(n, tf.zeros([1, 3]), (y) => tf.add(y, state.p)),
      m: loop(n, state.m, (m) => tf.add(m, state.p)),
    }),
    calls: [1, 2].map((n) => [{ p: tf.clone(x), m: tf.clone(y) }, count(n)]),
    donate: [0],
  },
};

const cpuOf = (item: Item, args: readonly (Tensor | Tree)[]) =>
  jit(item.fn as (...args: (Tensor | Tree)[]) => Tree, { target: "cpu" })(...args);

async function differences(actual: unknown, expected: unknown): Promise<string | undefined> {
  const [a, b] = [flattenTree(actual), flattenTree(expected)];
  for (const [i, { tensor, path }] of b.entries()) {
    const [wanted, got] = [await tensor.data(), await a[i].tensor.data()];
    if (`${a[i].tensor.shape}` !== `${tensor.shape}`) return `${path} has shape [${a[i].tensor.shape}]`;
    const scale = Math.max(1, ...Array.from(wanted, Math.abs));
    const at = Array.from(wanted).findIndex((v, j) => !(Math.abs(v - got[j]) <= TOLERANCE * scale));
    if (at >= 0) return `${path}: element ${at} is ${got[at]}, expected ${wanted[at]}`;
  }
  return undefined;
}

for (const [name, item] of Object.entries(loops)) {
  let error: string | undefined;
  try {
    const compiled = jit(item.fn as (...args: (Tensor | Tree)[]) => Tree, {
      target: GPU_TARGET,
      donate: item.donate,
    });
    for (const args of item.calls) {
      const expected = await cpuOf(item, args);
      error ??= await differences(await compiled(...args), expected);
    }
    if (compiled.stats.traces.length !== 1) error ??= `${compiled.stats.traces.length} programs`;
  } catch (thrown) {
    error = (thrown as Error).message;
  }
  console.log(JSON.stringify({ name, error }));
}

/** WGSL promises nothing of infinities and NaN. */
const UNDEFINED = / (isNaN|isInf|isFinite)\(/;

async function check(program: Program): Promise<void> {
  const random = randomGenerator(11);
  const inputs = program.shapes.map((shape) => normalTensor(random, shape));
  fc.pre(!UNDEFINED.test(tf.tidy(() => listing(program, inputs))));
  const run = evaluate(program);
  const compiled = jit(run, { target: GPU_TARGET, name: "random program" });
  const expected = tf.tidy(() => run(inputs));
  const actual = await compiled(inputs);
  const error = await differences(actual, expected);
  if (error) throw new Error(`${error} in the program\n${listing(program, inputs)}`);
  await compiled.dispose();
  tf.dispose([expected, actual, inputs]);
}

let error: string | undefined;
try {
  await fc.assert(fc.asyncProperty(programs, check), { seed: 7, numRuns: RUNS, endOnFailure: true });
} catch (thrown) {
  error = ((thrown as Error & { cause?: Error }).cause ?? (thrown as Error)).message;
}
console.log(JSON.stringify({ name: `${RUNS} random programs`, error }));
process.exit(0);
