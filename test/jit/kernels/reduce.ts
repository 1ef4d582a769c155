/** Cases for reductions, cumulative sums and products, softmax, sorting and segment kernels. */
import fc from "fast-check";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";
import type { Case } from "./compare.ts";
import type { Cases } from "./elementwise.ts";
import {
  axesOf,
  axisOf,
  flags,
  given,
  integerOperands,
  integers,
  nonzero,
  normal,
  type Operand,
  operand,
  operands,
  shapes,
} from "./operands.ts";
import { hasKernel, runKernel } from "./run-kernel.ts";

type Reduction = (x: Tensor, axis?: number[], keepDims?: boolean) => Tensor;

const over = (
  fn: Reduction,
  inputs: fc.Arbitrary<Operand>,
  options: Partial<Case> = {},
): fc.Arbitrary<Case> =>
  inputs.chain((x) =>
    fc.tuple(axesOf(x.shape.length), fc.boolean()).map(([axis, keepDims]) => ({
      inputs: [x],
      fn: (t) => fn(t, axis, keepDims),
      ...options,
    })),
  );
const reduction = (fn: Reduction, draw = normal): Cases => [
  over(fn, operands(shapes(), draw)),
  over(fn, integerOperands(), { wrt: [] }),
];
/** A size beyond float32's exact integers, where an int32 result computed in floats would show. */
const LARGE = [2 ** 24 + 1, 2 ** 24 + 3, -(2 ** 25) - 1, 7, 5, 2 ** 24 + 1];

const along = (
  fn: (x: Tensor, axis: number) => Tensor,
  inputs: fc.Arbitrary<Operand>,
  options: Partial<Case> = {},
): fc.Arbitrary<Case> =>
  inputs.chain((x) =>
    axisOf(x.shape.length).map((axis) => ({ inputs: [x], fn: (t) => fn(t, axis), ...options })),
  );

const index = (fn: (x: Tensor, axis: number) => Tensor): Cases => [
  along(fn, operands(shapes(1, 5))),
  along(fn, operands(shapes(1, 5), integers(2))), // ties: the first wins
  along(fn, integerOperands(shapes(1, 5), 2)),
];
const cumulative = (
  fn: (x: Tensor, axis: number, exclusive: boolean, reverse: boolean) => Tensor,
  options: Partial<Case> = {},
): Cases =>
  [operands(shapes(1, 5), nonzero), integerOperands(shapes(1, 4), 2)].map((inputs) =>
    fc.tuple(inputs, fc.boolean(), fc.boolean()).chain(([x, exclusive, reverse]) =>
      // tfjs has negative axes wrong here, and the gradient of cumsum for all but the last.
      fc.nat({ max: x.shape.length - 1 }).map((axis) => ({
        inputs: [x],
        fn: (t) => fn(t, axis, exclusive, reverse),
        ...(axis === x.shape.length - 1 ? options : { wrt: [] }),
      })),
    ),
  );
const soft = (fn: (x: Tensor, axis: number) => Tensor): Cases => [
  // The gradient cancels where one weight is near 1.
  operands(shapes(1, 5)).map((x) => ({ inputs: [x], fn: (t) => fn(t, x.shape.length - 1), tolerance: 1e-4 })),
  { inputs: [given([1e3, 1, -1e3, -Infinity, 0, 1])], fn: (t) => fn(t, -1), wrt: [] },
  { inputs: [given([Number.NaN, 1, 2])], fn: (t) => fn(t, -1), wrt: [] },
];

export const reduce: Record<string, Cases> = {
  Sum: [
    ...reduction(tf.sum),
    over(tf.sum, flags()),
    { inputs: [given(LARGE, [2, 3], "int32")], fn: (x) => tf.sum(x, 1) },
    // Tall arrays are summed in groups of rows, where there are groups: 131 is a prime number.
    ...[
      [160, 3],
      [131, 2],
      [1030, 2],
      [2, 96, 5],
      [2, 3, 40, 2],
    ].flatMap((shape) =>
      [false, true].map((keepDims) => ({
        inputs: [operand(shape)],
        fn: (x: Tensor) => tf.sum(x, [...shape.keys()].slice(0, -1), keepDims),
      })),
    ),
    { inputs: [operand([300, 1])], fn: (x) => tf.sum(x, 0) },
    { inputs: [operand([1, 1, 192, 5])], fn: (x) => tf.sum(x, 2, true) },
    { inputs: [operand([1, 192, 1, 5])], fn: (x) => tf.sum(x, [1, 2]) },
    { inputs: [operand([2, 144, 2])], fn: (x) => tf.sum(x, 1) },
    { inputs: [operand([144, 2, 2])], fn: (x) => tf.sum(x, [0, 2]) },
    { inputs: [operand([200, 3], integers(), "int32")], fn: (x) => tf.sum(x, 0), wrt: [] },
  ],
  Mean: reduction(tf.mean),
  Prod: [
    over(tf.prod, operands(shapes(), nonzero), { wrt: [] }),
    // tfjs's gradient is right over one or all axes counted from the front.
    operands(shapes(1, 4), nonzero).chain((x) =>
      fc.option(fc.nat({ max: x.shape.length - 1 }), { nil: undefined }).map((axis) => ({
        inputs: [x],
        fn: (t) => tf.prod(t, axis),
      })),
    ),
    over(tf.prod, integerOperands()),
    over(tf.prod, flags()),
  ],
  Max: [...reduction(tf.max), over(tf.max, operands(shapes(), integers(2)), { wrt: [] })],
  Min: reduction(tf.min),
  All: [over(tf.all, flags())],
  Any: [over(tf.any, flags())],
  ArgMax: index(tf.argMax),
  ArgMin: index(tf.argMin),
  Cumsum: cumulative(tf.cumsum),
  Cumprod: cumulative(tf.cumprod, { wrt: [] }),
  Softmax: [
    ...soft(tf.softmax),
    { inputs: [operand([2, 3])], fn: (x) => tf.exp(tf.logSumExp(x, 0)) }, // composed of max, sum, exp and log
  ],
  LogSoftmax: [
    ...soft(tf.logSoftmax), // composed by tfjs
    // The kernel exists for other callers.
    operands(shapes(1, 4)).map((x) => ({
      inputs: [x],
      fn: (logits) =>
        hasKernel("LogSoftmax")
          ? runKernel("LogSoftmax", { logits }, { axis: x.shape.length - 1 })
          : tf.logSoftmax(logits),
      tolerance: 1e-4,
    })),
  ],
  TopK: [
    shapes(1, 4).chain((shape) =>
      fc.integer({ min: 1, max: shape[shape.length - 1] }).map((k) => ({
        inputs: [operand(shape)],
        fn: (x) => Object.values(tf.topk(x, k)),
        wrt: [],
      })),
    ),
    {
      inputs: [given([3, 1, 3, 2, 3, 1, 2, 2, 0, 1], [2, 5])],
      fn: (x) => Object.values(tf.topk(x, 3)),
      wrt: [],
    },
    { inputs: [given([3, -1, 4, 2], [2, 2], "int32")], fn: (x) => Object.values(tf.topk(x, 2)) },
  ],
  UnsortedSegmentSum: [
    fc.tuple(shapes(1, 4), fc.integer({ min: 1, max: 4 })).map(([shape, count]) => ({
      inputs: [operand(shape), operand([shape[0]], (r) => r.integer(count + 2) - 1, "int32")],
      fn: (x, ids) => tf.unsortedSegmentSum(x, ids as ReturnType<typeof tf.tensor1d>, count),
      wrt: [],
    })),
    {
      inputs: [operand([5, 3]), given([2, 0, 2, 2, 1], [5], "int32")],
      fn: (x, ids) => tf.unsortedSegmentSum(x, ids as ReturnType<typeof tf.tensor1d>, 3),
    },
    {
      inputs: [operand([3, 2], integers(), "int32"), given([1, 1, 0], [3], "int32")],
      fn: (x, ids) => tf.unsortedSegmentSum(x, ids as ReturnType<typeof tf.tensor1d>, 2),
    },
  ],
};
