/** Unary, binary, comparison, logical and selecting kernels. */
import { broadcastShape, float, type Graph, sizeOf, type Value } from "../graph.ts";
import { cast, fill, type Kernel, type KernelTable, where } from "./kernel.ts";

const unary = (graph: Graph, op: string, x: Value, attributes = {}): Value =>
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
/** ONNX's hyperbolic functions and the like exist for floats only, as do tfjs's. */
const asFloat = (graph: Graph, x: Value): Value => cast(graph, x, "float32");

const INT32_MAX = 0x7fffffff;
function clip(graph: Graph, x: Value, low: number, high: number): Value {
  // int32 has no infinite bounds.
  const bound = (limit: number): Value =>
    graph.scalar(x.dtype === "int32" ? Math.max(-INT32_MAX - 1, Math.min(INT32_MAX, limit)) : limit, x.dtype);
  return graph.emit("Clip", [x, bound(low), bound(high)], { shape: x.shape, dtype: x.dtype });
}

/** ONNX has arithmetic and order for numbers only: tfjs computes with booleans as 0 and 1. */
const asNumber = (graph: Graph, x: Value): Value => (x.dtype === "bool" ? cast(graph, x, "int32") : x);

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

function finite(graph: Graph, x: Value): Value {
  const bool = { shape: x.shape, dtype: "bool" as const };
  const bad = graph.emit("Or", [graph.emit("IsNaN", [x], bool), graph.emit("IsInf", [x], bool)], bool);
  return unary(graph, "Not", bad);
}

export const elementwise: KernelTable = {
  Add: mapBinary("Add"),
  Sub: mapBinary("Sub"),
  Multiply: (graph, { a, b }) => {
    if (isScalar(b, 1)) return a;
    if (isScalar(a, 1)) return b;
    if (a.dtype === "bool") return binary(graph, "And", a, b);
    return binary(graph, "Mul", a, b);
  },
  RealDiv: (graph, { a, b }) =>
    isScalar(b, 1) ? asFloat(graph, a) : binary(graph, "Div", asFloat(graph, a), asFloat(graph, b)),
  FloorDiv: (graph, { a, b }) => floorDiv(graph, a, b),
  Mod: (graph, { a, b }) => floorMod(graph, a, b),
  Maximum: mapBinary("Max"),
  Minimum: mapBinary("Min"),
  /** As IEEE 754 and PyTorch: 1 to the power NaN, and -1 to an infinite power, is 1; in JavaScript they are NaN. */
  Pow: mapBinary("Pow"),
  SquaredDifference: (graph, { a, b }) => {
    const difference = binary(graph, "Sub", a, b);
    return binary(graph, "Mul", difference, difference);
  },
  AddN: (graph, inputs) => Object.values(inputs).reduce((sum, x) => binary(graph, "Add", sum, x)),
  /** atan(a/b), moved by pi where b < 0; pi/2 with the sign of a where b = 0. The signs of zeros are not looked at. */
  Atan2: (graph, { a, b }) => {
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
  },
  Greater: order("Greater"),
  GreaterEqual: order("GreaterOrEqual"),
  Less: order("Less"),
  LessEqual: order("LessOrEqual"),
  Equal: logical("Equal"),
  NotEqual: (graph, { a, b }) => unary(graph, "Not", binary(graph, "Equal", a, b, "bool")),
  LogicalAnd: logical("And"),
  LogicalOr: logical("Or"),
  LogicalNot: mapUnary("Not"),
  Select: (graph, { condition, t, e }) => where(graph, condition, t, e),
  Abs: mapUnary("Abs"),
  Neg: mapUnary("Neg"),
  /** NaN stays NaN; tfjs makes it 0. */
  Sign: mapUnary("Sign"),
  Ceil: mapUnary("Ceil"),
  Floor: mapUnary("Floor"),
  Round: mapUnary("Round"),
  Sqrt: (graph, { x }) => unary(graph, "Sqrt", asFloat(graph, x)),
  Rsqrt: (graph, { x }) => unary(graph, "Reciprocal", unary(graph, "Sqrt", asFloat(graph, x))),
  Square: (graph, { x }) => binary(graph, "Mul", x, x),
  Reciprocal: mapUnary("Reciprocal"),
  Exp: (graph, { x }) => unary(graph, "Exp", asFloat(graph, x)),
  Expm1: (graph, { x }) => {
    // tanh(x/2) (e^x + 1) keeps the digits that e^x - 1 loses near zero; the plain form serves where tanh saturates.
    const e = unary(graph, "Exp", x);
    const half = unary(graph, "Tanh", binary(graph, "Mul", x, graph.scalar(0.5)));
    const small = binary(graph, "Mul", half, binary(graph, "Add", e, graph.scalar(1)));
    const near = binary(graph, "Less", unary(graph, "Abs", x), graph.scalar(1), "bool");
    return graph.emit("Where", [near, small, binary(graph, "Sub", e, graph.scalar(1))], x);
  },
  Log: (graph, { x }) => unary(graph, "Log", asFloat(graph, x)),
  Log1p: (graph, { x }) => {
    // log(u) x / (u - 1) with u = 1 + x (Kahan): exact where 1 + x rounds.
    const one = graph.scalar(1);
    const u = binary(graph, "Add", x, one);
    const tiny = binary(graph, "Equal", u, one, "bool");
    const span = graph.emit("Where", [tiny, one, binary(graph, "Sub", u, one)], x);
    const infinite = graph.emit("IsInf", [x], { shape: x.shape, dtype: "bool" }, { detect_negative: 0 });
    const corrected = binary(graph, "Div", binary(graph, "Mul", unary(graph, "Log", u), x), span);
    return graph.emit("Where", [infinite, x, graph.emit("Where", [tiny, x, corrected], x)], x);
  },
  Sin: mapUnary("Sin"),
  Cos: mapUnary("Cos"),
  Tan: mapUnary("Tan"),
  Asin: mapUnary("Asin"),
  Acos: mapUnary("Acos"),
  Atan: mapUnary("Atan"),
  Sinh: mapUnary("Sinh"),
  Cosh: mapUnary("Cosh"),
  Asinh: mapUnary("Asinh"),
  Acosh: mapUnary("Acosh"),
  Atanh: mapUnary("Atanh"),
  Tanh: mapUnary("Tanh"),
  Erf: mapUnary("Erf"),
  Sigmoid: mapUnary("Sigmoid"),
  Softplus: mapUnary("Softplus"),
  Relu: mapUnary("Relu"),
  Relu6: (graph, { x }) => clip(graph, x, 0, 6),
  Elu: mapUnary("Elu"),
  Selu: mapUnary("Selu"),
  LeakyRelu: (graph, { x }, { alpha }) => unary(graph, "LeakyRelu", x, { alpha: float(alpha as number) }),
  Prelu: (graph, { x, alpha }) =>
    where(graph, binary(graph, "Less", x, graph.scalar(0), "bool"), binary(graph, "Mul", alpha, x), x),
  EluGrad: (graph, { dy, y }) => {
    // y is ELU's output: its slope is 1 above zero and y + 1 below.
    const above = binary(graph, "GreaterOrEqual", y, graph.scalar(0), "bool");
    const slope = graph.emit("Where", [above, graph.scalar(1), binary(graph, "Add", y, graph.scalar(1))], y);
    return binary(graph, "Mul", dy, slope);
  },
  Step: (graph, { x }, { alpha = 0 }) => {
    const step = unary(graph, "Sign", unary(graph, "Relu", x)); // 0, 1 or NaN
    if (alpha === 0) return step;
    const flat = binary(graph, "LessOrEqual", x, graph.scalar(0, x.dtype), "bool");
    return where(graph, flat, graph.scalar(alpha as number, x.dtype), step);
  },
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) =>
    clip(graph, x, clipValueMin as number, clipValueMax as number),
  IsNan: (graph, { x }) => graph.emit("IsNaN", [x], { shape: x.shape, dtype: "bool" }),
  IsInf: (graph, { x }) => graph.emit("IsInf", [x], { shape: x.shape, dtype: "bool" }),
  IsFinite: (graph, { x }) => finite(graph, x),
  Identity: (_, { x }) => x,
  Cast: (graph, { x }, { dtype }) => cast(graph, x, dtype as Value["dtype"]),
  OnesLike: (graph, { x }) => fill(graph, x.shape, 1, x.dtype),
  ZerosLike: (graph, { x }) => fill(graph, x.shape, 0, x.dtype),
};
