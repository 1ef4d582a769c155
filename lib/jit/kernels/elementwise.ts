/** Unary, binary, comparison, logical and selecting kernels. */
import { broadcastShape, float, type Graph, sizeOf, type Value } from "../graph.ts";
import { cast, fill, type Kernel, type KernelTable } from "./kernel.ts";

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
const compare =
  (op: string): Kernel =>
  (graph, { a, b }) =>
    binary(graph, op, a, b, "bool");
/** ONNX's hyperbolic functions and the like exist for floats only, as do tfjs's. */
const asFloat = (graph: Graph, x: Value): Value => cast(graph, x, "float32");

const floorMod = (graph: Graph, a: Value, b: Value): Value =>
  a.dtype === "int32"
    ? binary(graph, "Mod", a, b)
    : binary(graph, "Sub", a, binary(graph, "Mul", unary(graph, "Floor", binary(graph, "Div", a, b)), b));

export const elementwise: KernelTable = {
  Add: mapBinary("Add"),
  Sub: mapBinary("Sub"),
  Multiply: (graph, { a, b }) => {
    if (isScalar(b, 1)) return a;
    if (isScalar(a, 1)) return b;
    return binary(graph, "Mul", a, b);
  },
  RealDiv: (graph, { a, b }) =>
    isScalar(b, 1) ? asFloat(graph, a) : binary(graph, "Div", asFloat(graph, a), asFloat(graph, b)),
  FloorDiv: (graph, { a, b }) =>
    a.dtype === "int32"
      ? binary(graph, "Div", binary(graph, "Sub", a, floorMod(graph, a, b)), b)
      : unary(graph, "Floor", binary(graph, "Div", a, b)),
  Mod: (graph, { a, b }) => floorMod(graph, a, b),
  Maximum: mapBinary("Max"),
  Minimum: mapBinary("Min"),
  Pow: mapBinary("Pow"),
  SquaredDifference: (graph, { a, b }) => {
    const difference = binary(graph, "Sub", a, b);
    return binary(graph, "Mul", difference, difference);
  },
  AddN: (graph, inputs) => Object.values(inputs).reduce((sum, x) => binary(graph, "Add", sum, x)),
  Atan2: (graph, { a, b }) => {
    // atan(a/b), moved by pi where b < 0; b = 0 is pi/2 with the sign of a.
    const zero = graph.scalar(0);
    const shape = broadcastShape(a, b);
    const bool = { shape: b.shape, dtype: "bool" as const };
    const isZero = graph.emit("Equal", [b, zero], bool);
    const safe = graph.emit("Where", [isZero, graph.scalar(1), b], { shape: b.shape, dtype: "float32" });
    const angle = unary(graph, "Atan", binary(graph, "Div", a, safe));
    const signA = graph.emit(
      "Where",
      [
        graph.emit("Less", [a, zero], { ...bool, shape: a.shape }),
        graph.scalar(-Math.PI),
        graph.scalar(Math.PI),
      ],
      { shape: a.shape, dtype: "float32" },
    );
    const negative = graph.emit("Less", [b, zero], bool);
    const turn = graph.emit("Where", [negative, signA, zero], { shape, dtype: "float32" });
    const upright = binary(graph, "Mul", unary(graph, "Sign", a), graph.scalar(Math.PI / 2));
    return graph.emit("Where", [isZero, upright, binary(graph, "Add", angle, turn)], {
      shape,
      dtype: "float32",
    });
  },
  Greater: compare("Greater"),
  GreaterEqual: compare("GreaterOrEqual"),
  Less: compare("Less"),
  LessEqual: compare("LessOrEqual"),
  Equal: compare("Equal"),
  NotEqual: (graph, { a, b }) => unary(graph, "Not", binary(graph, "Equal", a, b, "bool")),
  LogicalAnd: compare("And"),
  LogicalOr: compare("Or"),
  LogicalNot: mapUnary("Not"),
  Select: (graph, { condition, t, e }) => {
    // tfjs lets a vector choose whole rows.
    const rows = condition.shape.length === 1 && t.shape.length > 1;
    const mask = rows
      ? graph.reshape(condition, [condition.shape[0], ...t.shape.slice(1).map(() => 1)])
      : condition;
    return graph.emit("Where", [mask, t, e], { shape: t.shape, dtype: t.dtype });
  },
  Abs: mapUnary("Abs"),
  Neg: mapUnary("Neg"),
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
    const infinite = graph.emit("IsInf", [x], { shape: x.shape, dtype: "bool" });
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
  Relu6: (graph, { x }) => graph.emit("Clip", [x, graph.scalar(0), graph.scalar(6)], x),
  Elu: mapUnary("Elu"),
  Selu: mapUnary("Selu"),
  LeakyRelu: (graph, { x }, { alpha }) => unary(graph, "LeakyRelu", x, { alpha: float(alpha as number) }),
  Prelu: (graph, { x, alpha }) => graph.emit("PRelu", [x, alpha], x),
  EluGrad: (graph, { dy, y }) => {
    // y is ELU's output: its slope is 1 above zero and y + 1 below.
    const above = binary(graph, "GreaterOrEqual", y, graph.scalar(0), "bool");
    const slope = graph.emit("Where", [above, graph.scalar(1), binary(graph, "Add", y, graph.scalar(1))], y);
    return binary(graph, "Mul", dy, slope);
  },
  Step: (graph, { x }, { alpha = 0 }) => {
    const above = binary(graph, "Greater", x, graph.scalar(0), "bool");
    return graph.emit("Where", [above, graph.scalar(1), graph.scalar(alpha as number)], { ...typed(x) });
  },
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) =>
    graph.emit(
      "Clip",
      [x, graph.scalar(clipValueMin as number, x.dtype), graph.scalar(clipValueMax as number, x.dtype)],
      typed(x),
    ),
  IsNan: (graph, { x }) => graph.emit("IsNaN", [x], { shape: x.shape, dtype: "bool" }),
  IsInf: (graph, { x }) => graph.emit("IsInf", [x], { shape: x.shape, dtype: "bool" }),
  IsFinite: (graph, { x }) => {
    const bool = { shape: x.shape, dtype: "bool" as const };
    const bad = graph.emit("Or", [graph.emit("IsNaN", [x], bool), graph.emit("IsInf", [x], bool)], bool);
    return unary(graph, "Not", bad);
  },
  Identity: (_, { x }) => x,
  Cast: (graph, { x }, { dtype }) => cast(graph, x, dtype as Value["dtype"]),
  OnesLike: (graph, { x }) => fill(graph, x.shape, 1, x.dtype),
  ZerosLike: (graph, { x }) => fill(graph, x.shape, 0, x.dtype),
};

function typed(value: Value): Pick<Value, "shape" | "dtype"> {
  return { shape: value.shape, dtype: value.dtype };
}
