/** Random programs of tfjs operations that stay well-conditioned, with a readable listing. */
import fc from "fast-check";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { MORE } from "./more-ops.ts";

/** One step: an operation, its two operands and a number that chooses axes, paddings and the like, all modulo what fits. */
export interface Step {
  op: number;
  a: number;
  b: number;
  n: number;
}
export interface Program {
  shapes: number[][];
  steps: Step[];
}

const step = fc.record({ op: fc.nat(9999), a: fc.nat(99), b: fc.nat(99), n: fc.nat(999) });
const shape = fc.array(fc.constantFrom(1, 2, 3, 4), { maxLength: 4 });
export const programs: fc.Arbitrary<Program> = fc.record({
  shapes: fc.array(shape, { minLength: 1, maxLength: 3 }),
  steps: fc.array(step, { minLength: 5, maxLength: 15 }),
});

type Apply = (x: Tensor, y: Tensor, n: number) => Tensor;
const axis = (x: Tensor, n: number): number => (n % (2 * x.rank)) - x.rank;
const front = (x: Tensor, n: number): number => n % x.rank;
const ranked =
  (apply: Apply, least = 1): Apply =>
  (x, y, n) =>
    apply(x.rank < least ? tf.reshape(x, [...Array<number>(least - x.rank).fill(1), ...x.shape]) : x, y, n);
const keep = (n: number): boolean => n % 3 === 0;
const permutation = (rank: number, n: number): number[] => {
  const order = [...Array(rank).keys()];
  for (let i = rank - 1, k = n; i > 0; k = Math.floor(k / (i + 1)), i--) {
    const j = k % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
};
/** Where elements are equal but for rounding, which is the largest is chance, and so is the gradient. */
const spread = (x: Tensor): Tensor =>
  tf.add(x, tf.sin(tf.mul(tf.reshape(tf.range(0, x.size), x.shape), 1.7)));
const positive = (x: Tensor): Tensor => tf.add(tf.square(tf.tanh(x)), 0.5);

/** tfjs cannot differentiate where a comparison is on the tape, so these two bring their own gradients. */
const select = tf.customGrad((...args) => {
  const [x, y, save] = args as [Tensor, Tensor, (tensors: Tensor[]) => void];
  const condition = tf.logicalOr(tf.greater(x, 0.1234), tf.lessEqual(y, -0.321));
  save([condition]);
  return {
    value: tf.where(condition, x, y),
    gradFunc: (dy: Tensor, [condition]: Tensor[]) => [
      tf.where(condition, dy, tf.zerosLike(dy)),
      tf.where(condition, tf.zerosLike(dy), dy),
    ],
  };
});
const mask = tf.customGrad((x) => ({
  value: tf.cast(tf.notEqual(tf.less(x as Tensor, 0.321), tf.greaterEqual(x as Tensor, 1)), "float32"),
  gradFunc: (dy: Tensor) => tf.zerosLike(dy),
}));

/** Each maps moderate numbers to moderate numbers. */
export const OPS: Record<string, Apply> = {
  add: (x, y) => tf.add(x, y),
  sub: (x, y) => tf.sub(x, y),
  mul: (x, y) => tf.mul(tf.tanh(x), y),
  div: (x, y) => tf.div(x, positive(y)),
  pow: (x, y) => tf.pow(positive(x), tf.tanh(y)),
  where: (x, y) => select(tf.add(x, tf.mul(y, 0)), tf.add(tf.mul(x, 0), y)),
  logic: (x) => tf.mul(x, mask(x)),
  atan2: (x, y) => tf.atan2(x, positive(y)),
  mod: (x) => tf.mul(tf.mod(tf.add(tf.tanh(x), 5.6), 2), 0.5),
  neg: (x) => tf.neg(x),
  abs: (x) => tf.abs(x),
  square: (x) => tf.square(tf.tanh(x)),
  sqrt: (x) => tf.sqrt(positive(x)),
  rsqrt: (x) => tf.rsqrt(positive(x)),
  reciprocal: (x) => tf.reciprocal(positive(x)),
  exp: (x) => tf.exp(tf.sin(x)),
  expm1: (x) => tf.expm1(tf.sin(x)),
  log: (x) => tf.log(positive(x)),
  log1p: (x) => tf.log1p(positive(x)),
  sin: (x) => tf.sin(x),
  cos: (x) => tf.cos(x),
  atan: (x) => tf.atan(x),
  tanh: (x) => tf.tanh(x),
  sinh: (x) => tf.sinh(tf.tanh(x)),
  asinh: (x) => tf.asinh(positive(x)),
  sigmoid: (x) => tf.sigmoid(x),
  softplus: (x) => tf.softplus(x),
  relu: (x) => tf.relu(x),
  leakyRelu: (x) => tf.leakyRelu(x, 0.1),
  elu: (x) => tf.elu(x),
  selu: (x) => tf.selu(x),
  clip: (x) => tf.clipByValue(x, -0.77, 1.23),
  sum: ranked((x, _, n) => tf.tanh(tf.sum(x, axis(x, n), keep(n)))),
  mean: ranked((x, _, n) => tf.mean(x, axis(x, n), keep(n))),
  meanAll: (x) => tf.mean(x),
  max: ranked((x, _, n) => tf.max(spread(x), axis(x, n), keep(n))),
  min: ranked((x, _, n) => tf.min(spread(x), axis(x, n), keep(n))),
  prod: ranked((x, _, n) => tf.prod(tf.tanh(x), front(x, n), keep(n))),
  logSumExp: ranked((x, _, n) => tf.logSumExp(x, axis(x, n), keep(n))),
  cumsum: ranked((x, _, n) => tf.tanh(tf.cumsum(x, x.rank - 1, n % 2 === 0, n % 3 === 0))),
  softmax: ranked((x) => tf.softmax(x)),
  logSoftmax: ranked((x) => tf.logSoftmax(x)),
  transpose: (x, _, n) => tf.transpose(x, permutation(x.rank, n)),
  flatten: (x) => tf.reshape(x, [-1]),
  expandDims: (x, _, n) => tf.expandDims(x, n % (x.rank + 1)),
  squeeze: (x) => tf.squeeze(x),
  slice: ranked((x, _, n) =>
    tf.slice(
      x,
      x.shape.map((d, i) => (i === front(x, n) ? Math.floor(d / 2) : 0)),
    ),
  ),
  reverse: ranked((x, _, n) => tf.reverse(x, axis(x, n))),
  concat: ranked((x, _, n) => tf.concat([x, tf.sin(x)], axis(x, n))),
  stack: (x, _, n) => tf.stack([x, tf.cos(x)], n % (x.rank + 1)),
  split: ranked((x, _, n) => tf.split(tf.concat([x, tf.neg(x)], front(x, n)), 2, front(x, n))[n % 2]),
  unstack: ranked((x, _, n) => (x.shape[front(x, n)] > 1 ? tf.unstack(x, front(x, n)).at(-1)! : x)),
  pad: ranked((x, _, n) =>
    tf.pad(
      x,
      x.shape.map((_, i) => (i === front(x, n) ? [1, n % 2] : [0, 0])),
      0.5,
    ),
  ),
  tile: ranked((x, _, n) =>
    tf.tile(
      x,
      x.shape.map((_, i) => (i === front(x, n) ? 2 : 1)),
    ),
  ),
  gather: ranked((x, _, n) => {
    const last = x.shape[front(x, n)] - 1;
    return tf.gather(x, tf.tensor1d([last, 0, last], "int32"), front(x, n));
  }),
  // Not divided by the size: a product of tanh of at most 16 terms.
  matMul: ranked((x, _, n) => tf.tanh(tf.matMul(x, tf.sin(x), n % 2 === 0, n % 2 === 1)), 2),
  matVec: ranked((x) => tf.tanh(tf.matMul(tf.softmax(x), tf.ones([x.shape.at(-1)!, 2]))), 2),
  norm: ranked((x) =>
    tf.div(tf.sub(x, tf.mean(x, -1, true)), tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 0.5))),
  ),
};
const ALL: Record<string, Apply> = { ...OPS, ...MORE };
const NAMES = Object.keys(ALL);

const broadcasts = (a: number[], b: number[]): boolean =>
  a.every((_, i) => {
    const [m, n] = [a[a.length - 1 - i], b[b.length - 1 - i] ?? 1];
    return m === n || m === 1 || n === 1;
  });

const MAX_SIZE = 500;
const MAX_RANK = 4; // tfjs tiles, and so differentiates broadcasts, to rank 4

/** All values of a program, the inputs first; `note` gets one line a step. */
export function execute({ steps }: Program, inputs: Tensor[], note?: (line: string) => void): Tensor[] {
  const values = [...inputs];
  for (const { op, a, b, n } of steps) {
    const [i, j] = [a % values.length, b % values.length];
    const [x, other] = [values[i], values[j]];
    const fits = broadcasts(x.shape, other.shape);
    const name = NAMES[op % NAMES.length];
    let value = ALL[name](x, fits ? other : tf.mean(other), n);
    if (value.rank > MAX_RANK || value.size > MAX_SIZE) value = tf.mean(value, 0);
    if (value.rank > MAX_RANK || value.size > MAX_SIZE) value = tf.mean(value);
    note?.(`v${values.length} = ${name}(v${i}, ${fits ? `v${j}` : `mean(v${j})`}; ${n})  [${value.shape}]`);
    values.push(value);
  }
  return values;
}

export function listing(program: Program, inputs: Tensor[]): string {
  const lines = inputs.map((input, i) => `v${i} = input [${input.shape}]`);
  tf.tidy(() => {
    execute(program, inputs, (line) => lines.push(line));
  });
  return lines.join("\n");
}

/** The values, and the gradient by the inputs of half the mean square of all of them. */
export const evaluate =
  (program: Program) =>
  (inputs: Tensor[]): { values: Tensor[]; gradients: Tensor[] } => ({
    values: execute(program, inputs).slice(inputs.length),
    gradients: tf.grads((...xs) =>
      tf.addN(execute(program, xs).map((v) => tf.mul(tf.mean(tf.square(v)), 0.5))),
    )(inputs),
  });
