/** Unary, binary, comparison, logical and selecting kernels. */
import { tf } from "../../tensor/tf.ts";
import { broadcastShape, float, type Graph, OWN, sizeOf, type Value } from "../graph.ts";
import {
  asFloat,
  asNumber,
  exceptBool,
  finite,
  refuseBool,
  refusingBool,
  stored,
  throughFloat,
  widest,
  withNumbers,
} from "./dtypes.ts";
import { cast, fill, type Kernel, type KernelTable, where } from "./kernel.ts";

export const unary = (graph: Graph, op: string, x: Value, attributes = {}): Value =>
  graph.emit(op, [x], { shape: x.shape, dtype: x.dtype }, attributes);

export const binary = (graph: Graph, op: string, a: Value, b: Value, dtype = a.dtype): Value =>
  graph.emit(op, [a, b], { shape: broadcastShape(a, b), dtype });

const isScalar = (value: Value, x: number): boolean =>
  value.data !== undefined && sizeOf(value.shape) === 1 && value.shape.length === 0 && value.data[0] === x;

const mapUnary =
  (op: string): Kernel =>
  (graph, { x }) =>
    unary(graph, op, x);
const mapBinary =
  (op: string): Kernel =>
  (graph, { a, b }) =>
    binary(graph, op, a, b);
const order =
  (op: string): Kernel =>
  (graph, { a, b }) =>
    binary(graph, op, asNumber(graph, a), asNumber(graph, b), "bool");
const logical =
  (op: string): Kernel =>
  (graph, { a, b }) =>
    binary(graph, op, a, b, "bool");
const INT32_MAX = 0x7fffffff;
function clip(graph: Graph, x: Value, low: number, high: number): Value {
  // int32 has no infinite bounds.
  const bound = (limit: number): Value =>
    graph.scalar(x.dtype === "int32" ? Math.max(-INT32_MAX - 1, Math.min(INT32_MAX, limit)) : limit, x.dtype);
  return graph.emit("Clip", [x, bound(low), bound(high)], { shape: x.shape, dtype: x.dtype });
}

/** The divisor with 1 in place of 0, by which onnxruntime refuses to divide integers. */
const nonzero = (graph: Graph, b: Value): Value =>
  b.data && !(b.data as Int32Array).includes(0)
    ? b
    : where(graph, binary(graph, "Equal", b, graph.scalar(0, "int32"), "bool"), graph.scalar(1, "int32"), b);

/** The remainder with the divisor's sign; integers modulo 0 are 0, as in tfjs. */
function floorMod(graph: Graph, a: Value, b: Value): Value {
  if (a.dtype === "int32") return binary(graph, "Mod", a, nonzero(graph, b));
  const fmod = (x: Value): Value =>
    graph.emit("Mod", [x, b], { shape: broadcastShape(x, b), dtype: x.dtype }, { fmod: 1 });
  const zero = graph.scalar(0);
  const negative = (x: Value): Value => binary(graph, "Less", x, zero, "bool");
  const remainder = fmod(a);
  const sameSign = binary(graph, "Equal", negative(a), negative(b), "bool");
  return where(graph, sameSign, remainder, fmod(binary(graph, "Add", remainder, b)));
}

/** floor(a / b) as int32, 0 where the quotient is infinite or NaN. Beyond int32 tfjs wraps around; here it is undefined. */
function floorDiv(graph: Graph, a: Value, b: Value): Value {
  if (a.dtype === "int32") {
    const divisor = nonzero(graph, b);
    const quotient = binary(graph, "Div", binary(graph, "Sub", a, binary(graph, "Mod", a, divisor)), divisor);
    if (divisor === b) return quotient;
    const zero = graph.scalar(0, "int32");
    return where(graph, binary(graph, "Equal", b, zero, "bool"), zero, quotient);
  }
  const quotient = unary(graph, "Floor", binary(graph, "Div", a, b));
  return cast(graph, where(graph, finite(graph, quotient), quotient, graph.scalar(0)), "int32");
}

const expm1 = (graph: Graph, x: Value): Value => graph.emit("Expm1", [x], x, {}, OWN);

/** gain x above zero, gain alpha (e^x - 1) below: onnxruntime's own forms lose the digits of e^x - 1 near zero. */
function elu(graph: Graph, x: Value, gain = 1, alpha = 1): Value {
  const scaled = (value: Value, by: number): Value =>
    by === 1 ? value : binary(graph, "Mul", value, graph.scalar(by));
  const above = binary(graph, "GreaterOrEqual", x, graph.scalar(0), "bool");
  return graph.emit("Where", [above, scaled(x, gain), scaled(expm1(graph, x), gain * alpha)], x);
}

/** x to the power b; of integers 0 where that is infinite. */
function power(graph: Graph, a: Value, b: Value): Value {
  const result = binary(graph, "Pow", a, b);
  if (a.dtype !== "int32") return result;
  const zero = graph.scalar(0, "int32");
  const isZero = binary(graph, "Equal", a, zero, "bool");
  const infinite = binary(graph, "And", isZero, binary(graph, "Less", b, zero, "bool"), "bool");
  return where(graph, infinite, zero, result);
}

/** A function of 0 and 1 whose two outcomes, without fractions, are 0 or 1 too; another is refused. */
function boolByOutcome(graph: Graph, x: Value, operation: string, fn: (x: number) => number): Value {
  const outcomes = [0, 1].map((x) => Math.trunc(fn(x)));
  if (!outcomes.every((y) => y === 0 || y === 1)) refuseBool(operation);
  const [zero, one] = outcomes.map((y) => graph.scalar(y, "bool"));
  return where(graph, x, one, zero);
}

export const elementwise: KernelTable = {
  Add: refusingBool("a sum", mapBinary("Add")),
  Sub: refusingBool("a difference", mapBinary("Sub")),
  Multiply: (graph, { a, b }) => {
    if (isScalar(b, 1)) return a;
    if (isScalar(a, 1)) return b;
    if (a.dtype === "bool") return binary(graph, "And", a, b);
    return binary(graph, "Mul", a, b);
  },
  RealDiv: (graph, { a, b }) => {
    const [x, y] = [asFloat(graph, a), asFloat(graph, b)];
    const quotient = isScalar(b, 1) ? x : binary(graph, "Div", x, y);
    return widest([a, b]) === "bool" ? stored(graph, quotient, "bool") : quotient;
  },
  FloorDiv: withNumbers((graph, { a, b }) => floorDiv(graph, a, b)),
  Mod: (graph, { a, b }) =>
    cast(graph, floorMod(graph, asNumber(graph, a), asNumber(graph, b)), widest([a, b])),
  Maximum: mapBinary("Max"),
  Minimum: mapBinary("Min"),
  /** As IEEE 754 and PyTorch: 1 to the power NaN, and -1 to an infinite power, is 1; in JavaScript they are NaN. */
  Pow: (graph, { a, b }) => cast(graph, power(graph, asNumber(graph, a), asNumber(graph, b)), widest([a, b])),
  SquaredDifference: (graph, { a, b }) => {
    if (widest([a, b]) === "bool") return binary(graph, "Xor", a, b);
    const difference = binary(graph, "Sub", a, b);
    return binary(graph, "Mul", difference, difference);
  },
  AddN: refusingBool("a sum", (graph, inputs) =>
    Object.values(inputs).reduce((sum, x) => binary(graph, "Add", sum, x)),
  ),
  /** atan(a/b), moved by pi where b < 0; pi/2 with the sign of a where b = 0. The signs of zeros are not looked at. */
  Atan2: throughFloat((graph, { a, b }) => {
    const [zero, one] = [graph.scalar(0), graph.scalar(1)];
    const isInfinite = (x: Value): Value => graph.emit("IsInf", [x], { shape: x.shape, dtype: "bool" });
    // Two infinities have the angle of their signs.
    const both = binary(graph, "And", isInfinite(a), isInfinite(b), "bool");
    const y = where(graph, both, unary(graph, "Sign", a), a);
    const x = where(graph, both, unary(graph, "Sign", b), b);
    const isZero = binary(graph, "Equal", x, zero, "bool");
    const angle = unary(graph, "Atan", binary(graph, "Div", y, where(graph, isZero, one, x)));
    const below = binary(graph, "Less", y, zero, "bool");
    const half = where(graph, below, graph.scalar(-Math.PI), graph.scalar(Math.PI));
    const turn = where(graph, binary(graph, "Less", x, zero, "bool"), half, zero);
    const upright = binary(graph, "Mul", unary(graph, "Sign", y), graph.scalar(Math.PI / 2));
    return where(graph, isZero, upright, binary(graph, "Add", angle, turn));
  }),
  Greater: order("Greater"),
  GreaterEqual: order("GreaterOrEqual"),
  Less: order("Less"),
  LessEqual: order("LessOrEqual"),
  Equal: logical("Equal"),
  NotEqual: (graph, { a, b }) => unary(graph, "Not", binary(graph, "Equal", a, b, "bool")),
  LogicalAnd: logical("And"),
  LogicalOr: logical("Or"),
  LogicalNot: mapUnary("Not"),
  Select: (graph, { condition, t, e }) => {
    const dtype = widest([t, e]);
    return where(graph, condition, cast(graph, t, dtype), cast(graph, e, dtype));
  },
  Abs: exceptBool(mapUnary("Abs")),
  Neg: exceptBool(mapUnary("Neg")),
  /** NaN stays NaN; tfjs makes it 0. */
  Sign: exceptBool(mapUnary("Sign")),
  Ceil: mapUnary("Ceil"),
  Floor: mapUnary("Floor"),
  Round: (graph, { x }) => (x.dtype === "float32" ? unary(graph, "Round", x) : x),
  Sqrt: (graph, { x }) => unary(graph, "Sqrt", asFloat(graph, x)),
  Rsqrt: (graph, { x }) => unary(graph, "Reciprocal", unary(graph, "Sqrt", asFloat(graph, x))),
  Square: exceptBool((graph, { x }) => binary(graph, "Mul", x, x)),
  Reciprocal: throughFloat(mapUnary("Reciprocal")),
  Exp: (graph, { x }) => unary(graph, "Exp", asFloat(graph, x)),
  Expm1: throughFloat((graph, { x }) => expm1(graph, x)),
  Log: (graph, { x }) => unary(graph, "Log", asFloat(graph, x)),
  Log1p: throughFloat((graph, { x }) => graph.emit("Log1p", [x], x, {}, OWN)),
  Sin: mapUnary("Sin"),
  Cos: mapUnary("Cos"),
  Tan: mapUnary("Tan"),
  Asin: throughFloat(mapUnary("Asin")),
  Acos: throughFloat(mapUnary("Acos")),
  Atan: throughFloat(mapUnary("Atan")),
  Sinh: throughFloat(mapUnary("Sinh")),
  Cosh: mapUnary("Cosh"),
  Asinh: throughFloat(mapUnary("Asinh")),
  Acosh: throughFloat(mapUnary("Acosh")),
  Atanh: throughFloat(mapUnary("Atanh")),
  /** onnxruntime's passes 1 by up to two units in the last place. */
  Tanh: (graph, { x }) => clip(graph, unary(graph, "Tanh", asFloat(graph, x)), -1, 1),
  Erf: mapUnary("Erf"),
  /** onnxruntime's passes 1 by a unit in the last place. */
  Sigmoid: (graph, { x }) => clip(graph, unary(graph, "Sigmoid", asFloat(graph, x)), 0, 1),
  Softplus: throughFloat(mapUnary("Softplus")),
  Relu: exceptBool(mapUnary("Relu")),
  Relu6: exceptBool((graph, { x }) => clip(graph, x, 0, 6)),
  Elu: (graph, { x }) => elu(graph, asFloat(graph, x)),
  Selu: throughFloat((graph, { x }) =>
    elu(graph, x, tf.backend_util.SELU_SCALE, tf.backend_util.SELU_SCALEALPHA / tf.backend_util.SELU_SCALE),
  ),
  LeakyRelu: (graph, { x }, { alpha }) =>
    unary(graph, "LeakyRelu", asFloat(graph, x), { alpha: float(alpha as number) }),
  Prelu: (graph, inputs) => {
    const [x, alpha] = [asFloat(graph, inputs.x), asFloat(graph, inputs.alpha)];
    return where(graph, binary(graph, "Less", x, graph.scalar(0), "bool"), binary(graph, "Mul", alpha, x), x);
  },
  EluGrad: (graph, { dy, y }) => {
    // y is ELU's output: its slope is 1 above zero and y + 1 below.
    const above = binary(graph, "GreaterOrEqual", y, graph.scalar(0), "bool");
    const slope = graph.emit("Where", [above, graph.scalar(1), binary(graph, "Add", y, graph.scalar(1))], y);
    return binary(graph, "Mul", dy, slope);
  },
  Step: (graph, { x }, { alpha = 0 }) => {
    if (x.dtype === "bool") return boolByOutcome(graph, x, "a step", (x) => x || (alpha as number));
    const step = unary(graph, "Sign", unary(graph, "Relu", x)); // 0, 1 or NaN
    if (alpha === 0) return step;
    const flat = binary(graph, "LessOrEqual", x, graph.scalar(0, x.dtype), "bool");
    return where(graph, flat, graph.scalar(alpha as number, x.dtype), step);
  },
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) => {
    const [low, high] = [clipValueMin as number, clipValueMax as number];
    const clipped = (x: number): number => Math.max(low, Math.min(high, x));
    return x.dtype === "bool" ? boolByOutcome(graph, x, "a clip", clipped) : clip(graph, x, low, high);
  },
  IsNan: (graph, { x }) => graph.emit("IsNaN", [asFloat(graph, x)], { shape: x.shape, dtype: "bool" }),
  IsInf: (graph, { x }) => graph.emit("IsInf", [asFloat(graph, x)], { shape: x.shape, dtype: "bool" }),
  IsFinite: (graph, { x }) => finite(graph, asFloat(graph, x)),
  Identity: (_, { x }) => x,
  Cast: (graph, { x }, { dtype }) =>
    x.dtype === "float32" && dtype === "int32"
      ? stored(graph, x, dtype)
      : cast(graph, x, dtype as Value["dtype"]),
  OnesLike: (graph, { x }) => fill(graph, x.shape, 1, x.dtype),
  ZerosLike: (graph, { x }) => fill(graph, x.shape, 0, x.dtype),
};
