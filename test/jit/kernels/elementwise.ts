/** Cases for unary, binary, comparison, logical and selecting kernels. */
import fc from "fast-check";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";
import type { Case } from "./compare.ts";
import {
  between,
  broadcast,
  broadcastShapes,
  flags,
  given,
  integerOperands,
  integers,
  nonzero,
  normal,
  type Operand,
  operand,
  operands,
  positive,
  SPECIAL,
  shapes,
} from "./operands.ts";

export type Cases = (fc.Arbitrary<Case> | Case)[];
type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

const on = (fn: Unary, inputs: fc.Arbitrary<Operand>, options: Partial<Case> = {}): fc.Arbitrary<Case> =>
  inputs.map((x) => ({ inputs: [x], fn, ...options }));
/** Values only: derivatives at infinities, kinks and NaN are not part of the contract. */
const special = (fn: Unary, values = SPECIAL, tolerance = 1e-5): Case => ({
  inputs: [given(values)],
  fn,
  wrt: [],
  tolerance,
});
const unary = (fn: Unary, draw = normal, options: Partial<Case> = {}): Cases => [
  on(fn, operands(shapes(), draw), options),
  special(fn, SPECIAL, options.tolerance),
];
/** A gradient that is zero everywhere is a constant, which `jit` refuses as an output. */
const flat = { wrt: [] };
const int = (fn: Unary): fc.Arbitrary<Case> => on(fn, integerOperands());

/** Every special value with every other. */
const pairs = (fn: Binary, values = SPECIAL): Case => ({
  inputs: [given(values, [values.length, 1]), given(values)],
  fn,
  wrt: [],
});
const both = (fn: Binary, inputs: fc.Arbitrary<Operand[]>, options: Partial<Case> = {}): fc.Arbitrary<Case> =>
  inputs.map((operands) => ({ inputs: operands, fn: (...x) => fn(x[0], x[1]), ...options }));
const binary = (fn: Binary, a = normal, b = normal, options: Partial<Case> = {}): Cases => [
  both(fn, broadcast([a, b]), options),
  pairs(fn),
  both(fn, broadcast([integers(), (random) => 1 + random.integer(5)], "int32")),
];
const equal = (fn: Binary, a = normal, b = normal): fc.Arbitrary<Case> =>
  shapes().map((shape) => ({
    inputs: [operand(shape, a, "float32", 1), operand(shape, b, "float32", 2)],
    fn: (x, y) => fn(x, y),
  }));
/** tfjs's gradient of these does not sum over broadcast axes, so it is compared for equal shapes. */
const unreduced = (fn: Binary): Cases => [...binary(fn, normal, normal, flat), equal(fn)];
const comparison = (fn: Binary): Cases => [
  both(fn, broadcast([integers(2), integers(2)])),
  both(fn, broadcast([integers(2), integers(2)], "int32")),
  both(fn, broadcast([(r) => r.integer(2), (r) => r.integer(2)], "bool")),
  pairs(fn),
];
const logical = (fn: Binary): Cases => [
  both(fn, broadcast([(r) => r.integer(2), (r) => r.integer(2)], "bool")),
];
const FINITE = SPECIAL.filter(Number.isFinite);
/** Where 1 - tanh(x)^2 and the like have digits left. */
const MODERATE = between(-2, 2);
/** Quotients that float32 can tell from their neighbours. */
const COARSE = SPECIAL.filter((x) => x !== 1e-8);
const INTEGERS = [-7, -6, -3, -2, -1, 1, 2, 3, 6, 7];
/** Signs of quotients and remainders, and what tfjs makes of a division by zero. */
const integerPairs = (fn: Binary): Case => ({
  inputs: [given([...INTEGERS, 0], [11, 1], "int32"), given([...INTEGERS, 0], [11], "int32")],
  fn,
});

export const elementwise: Record<string, Cases> = {
  Add: binary(tf.add),
  Sub: binary(tf.sub),
  Multiply: [...binary(tf.mul), special((x) => tf.mul(x, 1)), ...logical((a, b) => tf.mul(a, b))],
  RealDiv: [...binary(tf.div, normal, nonzero), special((x) => tf.div(x, 1))],
  FloorDiv: [
    both(tf.floorDiv, broadcast([between(-9, 9), nonzero])),
    pairs(tf.floorDiv, COARSE),
    integerPairs(tf.floorDiv),
  ],
  Mod: [both(tf.mod, broadcast([between(-9, 9), nonzero])), pairs(tf.mod, COARSE), integerPairs(tf.mod)],
  Maximum: [...unreduced(tf.maximum), ...logical(tf.maximum)],
  Minimum: [...unreduced(tf.minimum), ...logical(tf.minimum)],
  Pow: [
    both(tf.pow, broadcast([positive, normal])),
    pairs(
      tf.pow,
      FINITE.filter((x) => Math.abs(x) !== 1),
    ),
    both(tf.pow, broadcast([integers(3), (random) => random.integer(4)]), { wrt: [] }),
    both(tf.pow, broadcast([integers(3), (random) => random.integer(4)], "int32")),
    ...[2, 3, 0.5, -1, 0].map((power) => special((x) => tf.pow(x, power))),
  ],
  SquaredDifference: unreduced(tf.squaredDifference),
  AddN: [
    fc.tuple(shapes(), fc.integer({ min: 1, max: 5 })).map(([shape, n]) => ({
      inputs: Array.from({ length: n }, (_, i) => operand(shape, normal, "float32", i)),
      fn: (...x) => tf.addN(x),
    })),
  ],
  Atan2: [
    both(tf.atan2, broadcast([nonzero, nonzero])),
    pairs(
      tf.atan2,
      SPECIAL.filter((x) => !Object.is(x, -0)),
    ),
  ],
  Greater: comparison(tf.greater),
  GreaterEqual: comparison(tf.greaterEqual),
  Less: comparison(tf.less),
  LessEqual: comparison(tf.lessEqual),
  Equal: comparison(tf.equal),
  NotEqual: comparison(tf.notEqual),
  LogicalAnd: logical(tf.logicalAnd),
  LogicalOr: logical(tf.logicalOr),
  LogicalNot: [on(tf.logicalNot, flags())],
  Select: [
    broadcastShapes(3, 4).map(([c, a, b]) => ({
      inputs: [operand(c, (r) => r.integer(2), "bool"), operand(a), operand(b)],
      fn: (condition, t, e) => tf.where(condition, t, e),
    })),
    ...(["int32", "bool"] as const).map((dtype) =>
      broadcastShapes(3, 4).map(([c, a, b]) => ({
        inputs: [c, a, b].map((shape, i) => operand(shape, (r) => r.integer(2), i === 0 ? "bool" : dtype, i)),
        fn: (condition: Tensor, t: Tensor, e: Tensor) => tf.where(condition, t, e),
      })),
    ),
  ],
  Abs: [...unary(tf.abs, nonzero), int(tf.abs)],
  Neg: [...unary(tf.neg), int(tf.neg)],
  Sign: [on(tf.sign, operands(shapes(), nonzero), flat), special(tf.sign, FINITE), int(tf.sign)],
  Ceil: unary(tf.ceil, between(-4, 4), flat),
  Floor: unary(tf.floor, between(-4, 4), flat),
  Round: unary(tf.round, between(-4, 4), flat),
  Sqrt: unary(tf.sqrt, positive),
  Rsqrt: unary(tf.rsqrt, positive),
  Square: [...unary(tf.square), int(tf.square)],
  Reciprocal: unary(tf.reciprocal, nonzero),
  Exp: [...unary(tf.exp), int(tf.exp)],
  Expm1: [...unary(tf.expm1), special(tf.expm1, [1e-7, -1e-7, 1e-3, -0.999, 0.999, -30])],
  Log: unary(tf.log, positive),
  Log1p: [...unary(tf.log1p, positive), special(tf.log1p, [1e-7, -1e-7, 1e-3, -0.999, 1e20, -1, -2])],
  Sin: unary(tf.sin),
  Cos: unary(tf.cos),
  Tan: unary(tf.tan, between(-1.4, 1.4)),
  Asin: unary(tf.asin, between(-0.95, 0.95)),
  Acos: unary(tf.acos, between(-0.95, 0.95)),
  Atan: unary(tf.atan),
  Sinh: unary(tf.sinh),
  Cosh: unary(tf.cosh),
  Asinh: unary(tf.asinh, nonzero),
  Acosh: unary(tf.acosh, between(1.1, 4)),
  Atanh: unary(tf.atanh, between(-0.9, 0.9)),
  Tanh: unary(tf.tanh, MODERATE),
  // tfjs's erf is the polynomial 7.1.26 of Abramowitz and Stegun, good to 1.5e-7 absolute; onnxruntime's is better.
  Erf: unary(tf.erf, normal, { tolerance: 2e-6 }),
  Sigmoid: unary(tf.sigmoid, MODERATE),
  Softplus: unary(tf.softplus),
  Relu: [...unary(tf.relu, nonzero), int(tf.relu)],
  Relu6: [...unary(tf.relu6, nonzero), special(tf.relu6, [5.5, 6, 6.5, -1]), int(tf.relu6)],
  Elu: unary(tf.elu, nonzero),
  EluGrad: [on((x) => tf.elu(x), operands(shapes(), nonzero))],
  Selu: unary(tf.selu, nonzero),
  LeakyRelu: unary((x) => tf.leakyRelu(x, 0.3), nonzero),
  Prelu: [
    both(tf.prelu, broadcast([nonzero, positive]), flat),
    equal(tf.prelu, nonzero, positive),
    shapes(1, 5).map((shape) => ({
      inputs: [operand(shape, nonzero), operand(shape.slice(1), positive)],
      fn: (x, alpha) => tf.prelu(x, alpha),
    })),
    pairs(tf.prelu),
  ],
  Step: [
    ...unary((x) => tf.step(x, 0.25), nonzero, flat),
    special((x) => tf.step(x)),
    int((x) => tf.step(x)),
  ],
  ClipByValue: [
    ...unary((x) => tf.clipByValue(x, -0.5, 0.75)),
    on((x) => tf.clipByValue(x, -2, 3), integerOperands()),
    on((x) => tf.clipByValue(x, 0.5, 2.5), integerOperands()),
  ],
  IsNan: [special(tf.isNaN)],
  IsInf: [special(tf.isInf)],
  IsFinite: [special(tf.isFinite)],
  Identity: [on((x) => tf.clone(x), operands()), on((x) => tf.clone(x), flags())],
  Cast: [
    on((x) => tf.cast(x, "int32"), operands(shapes(), between(-9, 9))),
    on((x) => tf.cast(x, "bool"), operands(shapes(), integers(2))),
    on((x) => tf.cast(x, "float32"), integerOperands()),
    on((x) => tf.cast(x, "bool"), integerOperands(shapes(), 2)),
    on((x) => tf.cast(x, "float32"), flags()),
    on((x) => tf.cast(x, "int32"), flags()),
    special((x) => tf.cast(x, "bool"), [0, -0, 0.25, -3]),
  ],
  OnesLike: [
    on((x) => tf.add(x, tf.onesLike(x)), operands()),
    on((x) => tf.mul(tf.onesLike(x), x), integerOperands()),
  ],
  ZerosLike: [
    on((x) => tf.add(x, tf.zerosLike(x)), operands()),
    on((x) => tf.logicalOr(x, tf.zerosLike(x)), flags()),
  ],
};
