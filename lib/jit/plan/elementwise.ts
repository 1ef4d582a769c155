/** Operators that compute each number of their result from one number of each operand. */
import { GELU } from "../../tensor/operations.ts";
import type { GraphNode } from "../graph.ts";
import { broadcastIndex, type Expression, type Index, type KernelBuilder, scalarOf } from "./builder.ts";
import type { MathFunction, Scalar } from "./language.ts";

/** An expression of the operands' numbers, which have the names `x`. */
type Formula = (
  kernel: KernelBuilder,
  x: readonly string[],
  types: readonly Scalar[],
  node: GraphNode,
) => string;

const operands = (kernel: KernelBuilder, { inputs }: GraphNode, index: Index): string[] =>
  inputs.map((value) => kernel.load(value, broadcastIndex(kernel, value, index)));

const formula =
  (write: Formula): Expression =>
  (kernel, { node }, index) =>
    write(kernel, operands(kernel, node!, index), node!.inputs.map(scalarOf), node!);

const infix = (sign: string): Expression => formula((_, [a, b]) => `(${a} ${sign} ${b})`);
const call = (fn: MathFunction): Expression => formula(({ language }, [x]) => language.call(fn, x));
/** A function of two, over all operands from the left. */
const folded = (fn: MathFunction): Expression =>
  formula(({ language }, x) => x.reduce((a, b) => language.call(fn, a, b)));

const f = ({ language }: KernelBuilder, value: number): string => language.literal("f32", value);
const zeroOf = ({ language }: KernelBuilder, type: Scalar): string => language.literal(type, 0);

/** Converts a number as ONNX does: any but 0 is true, and fractions are cut off. */
export const converted = (kernel: KernelBuilder, x: string, from: Scalar, to: Scalar): string => {
  if (from === to) return x;
  if (to === "bool") return `(${x} != ${zeroOf(kernel, from)})`;
  return kernel.language.convert(from, to, x);
};

const sigmoid = (kernel: KernelBuilder, x: string): string =>
  kernel.let("f32", `${f(kernel, 1)} / (${f(kernel, 1)} + ${kernel.language.call("exp", `-${x}`)})`);

/** tanh, which some drivers overflow in: beyond 15 it is 1. */
const tanh = (kernel: KernelBuilder, x: string): string => {
  const { language } = kernel;
  const inside = language.call("max", language.call("min", x, f(kernel, 15)), f(kernel, -15));
  return language.call("tanh", inside);
};

/** Coefficients of the sine's odd polynomial on half a turn, from x^9 down to x^3, within 1e-7. */
const SINE = [2.6083159809786594e-6, -1.981069071916863e-4, 8.333078585565101e-3, -0.16666659712791443];
/** Pi in parts of few digits, whose products with whole numbers are exact. */
const PI = [3.140625, 9.675025939941406e-4, 1.509957990978e-7];

/**
 * The sine (`shift` 0) or cosine (0.5), by the remainder of half turns: those of a GPU's languages hold to 11 bits, and
 * only within a turn.
 */
function sine(kernel: KernelBuilder, x: string, shift: 0 | 0.5): string {
  const { language } = kernel;
  const turns = kernel.let(
    "f32",
    `${language.call("round", `${x} * ${f(kernel, 1 / Math.PI)} - ${f(kernel, shift)}`)}`,
  );
  const half = kernel.let("f32", `${turns} + ${f(kernel, shift)}`);
  const rest = kernel.let(
    "f32",
    PI.reduce((left, part) => `(${left} - ${half} * ${f(kernel, part)})`, x),
  );
  const square = kernel.let("f32", `${rest} * ${rest}`);
  const [first, ...others] = SINE.map((value) => f(kernel, value));
  const polynomial = others.reduce((sum, c) => `(${sum} * ${square} + ${c})`, first);
  const value = kernel.let("f32", `${rest} + ${rest} * ${square} * ${polynomial}`);
  const odd = `(${language.call("floor", `${turns} * ${f(kernel, 0.5)}`)} * ${f(kernel, 2)} != ${turns})`;
  // The cosine falls through zero at the first half turn.
  return shift === 0 ? language.select(odd, `-${value}`, value) : language.select(odd, value, `-${value}`);
}

/** asin(x) = 2 atan(x / (1 + sqrt(1 - x^2))), as some drivers' own holds to 11 bits. */
const arcsine = (kernel: KernelBuilder, x: string): string => {
  const { language } = kernel;
  const root = language.call("sqrt", `(${f(kernel, 1)} - ${x}) * (${f(kernel, 1)} + ${x})`);
  return kernel.let(
    "f32",
    `${f(kernel, 2)} * ${language.call("atan", `${x} / (${f(kernel, 1)} + ${root})`)}`,
  );
};

/** The argument of GELU's sigmoid. */
const geluInner = (kernel: KernelBuilder, x: string): string =>
  kernel.let(
    "f32",
    `${x} * (${f(kernel, GELU.scale)} + ${f(kernel, GELU.scale * GELU.cubic)} * ${x} * ${x})`,
  );

/** x to the power y, also of negative x where y is whole: what languages have knows positive ones. */
function power(kernel: KernelBuilder, x: string, y: string): string {
  const { language } = kernel;
  const size = kernel.let("f32", language.call("abs", x));
  const plain = kernel.let("f32", language.call("pow", size, y));
  const whole = `(${language.call("floor", y)} == ${y})`;
  const half = kernel.let("f32", `${y} * ${f(kernel, 0.5)}`);
  const odd = `(${language.call("floor", half)} != ${half})`;
  const signed = language.select(odd, `-${plain}`, plain);
  const negative = language.select(whole, signed, f(kernel, Number.NaN));
  const value = language.select(`(${x} < ${f(kernel, 0)})`, negative, plain);
  // Also of what is not a number.
  return language.select(`(${y} == ${f(kernel, 0)} || ${x} == ${f(kernel, 1)})`, f(kernel, 1), value);
}

/** The error function: Abramowitz and Stegun 7.1.26, within 1.5e-7. */
function erf(kernel: KernelBuilder, x: string): string {
  const { language } = kernel;
  const size = kernel.let("f32", language.call("abs", x));
  const t = kernel.let("f32", `${f(kernel, 1)} / (${f(kernel, 1)} + ${f(kernel, 0.3275911)} * ${size})`);
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const [first, ...rest] = coefficients.map((value) => f(kernel, value));
  const polynomial = rest.reduce((sum, c) => `(${sum} * ${t} + ${c})`, first);
  const value = `${f(kernel, 1)} - ${polynomial} * ${t} * ${language.call("exp", `-${size} * ${size}`)}`;
  return `${language.call("sign", x)} * (${value})`;
}

/** The bits of a float without its sign, and those of infinity. */
const magnitude = ({ language }: KernelBuilder, x: string): string =>
  `(${language.bits("f32", "u32", x)} & 0x7fffffffu)`;
const INFINITY = "0x7f800000u";

const clip: Formula = ({ language }, [x, low, high], [type]) => {
  const bounded = (fn: "max" | "min", value: string, bound: string | undefined): string => {
    if (bound === undefined) return value;
    const sign = fn === "max" ? "<" : ">";
    return type === "f32"
      ? language.call(fn, value, bound)
      : language.select(`(${value} ${sign} ${bound})`, bound, value);
  };
  return bounded("min", bounded("max", x, low), high);
};

export const ELEMENTWISE: Readonly<Record<string, Expression>> = {
  Add: infix("+"),
  Sub: infix("-"),
  Mul: infix("*"),
  Div: infix("/"),
  /** Integers: the sign of the divisor; floats, with `fmod`: that of the dividend. */
  Mod: formula(({ language }, [a, b], [type]) => {
    if (type === "f32") {
      const size = (x: string): string => language.call("abs", x);
      // Also where the divisor is infinite.
      const whole = `(${a} - ${b} * ${language.call("trunc", `${a} / ${b}`)})`;
      return language.select(`(${size(a)} < ${size(b)})`, a, whole);
    }
    const rest = `(${a} % ${b})`;
    return language.select(`(${rest} != 0i && ((${rest} < 0i) != (${b} < 0i)))`, `(${rest} + ${b})`, rest);
  }),
  Max: folded("max"),
  Min: folded("min"),
  Pow: formula((kernel, [x, y], [type, other]) => {
    if (type === "f32") return power(kernel, x, converted(kernel, y, other, "f32"));
    const value = power(kernel, converted(kernel, x, type, "f32"), converted(kernel, y, other, "f32"));
    return converted(kernel, kernel.language.call("round", value), "f32", type);
  }),
  Neg: formula((_, [x]) => `(-${x})`),
  Abs: call("abs"),
  Acos: formula((kernel, [x]) => `(${f(kernel, Math.PI / 2)} - ${arcsine(kernel, x)})`),
  Acosh: call("acosh"),
  Asin: formula((kernel, [x]) => arcsine(kernel, x)),
  Asinh: call("asinh"),
  Atan: call("atan"),
  Atanh: call("atanh"),
  Ceil: call("ceil"),
  Cos: formula((kernel, [x]) => sine(kernel, x, 0.5)),
  Cosh: call("cosh"),
  Exp: call("exp"),
  Floor: call("floor"),
  Log: call("log"),
  Round: call("round"),
  Sign: call("sign"),
  Sin: formula((kernel, [x]) => sine(kernel, x, 0)),
  Sinh: call("sinh"),
  Sqrt: call("sqrt"),
  Tan: formula((kernel, [x]) => `(${sine(kernel, x, 0)} / ${sine(kernel, x, 0.5)})`),
  Tanh: formula((kernel, [x]) => tanh(kernel, x)),
  Erf: formula((kernel, [x]) => erf(kernel, x)),
  Reciprocal: formula((kernel, [x]) => `(${f(kernel, 1)} / ${x})`),
  Sigmoid: formula((kernel, [x]) => sigmoid(kernel, x)),
  Softplus: formula((kernel, [x]) => {
    const { language } = kernel;
    const tail = language.call(
      "log",
      `${f(kernel, 1)} + ${language.call("exp", `-${language.call("abs", x)}`)}`,
    );
    return `(${language.call("max", x, f(kernel, 0))} + ${tail})`;
  }),
  Relu: formula((kernel, [x], [type]) =>
    kernel.language.select(`(${x} < ${zeroOf(kernel, type)})`, zeroOf(kernel, type), x),
  ),
  LeakyRelu: formula((kernel, [x], _, { attributes }) => {
    const { float } = attributes.alpha as { float: number };
    return kernel.language.select(`(${x} < ${f(kernel, 0)})`, `${x} * ${f(kernel, float)}`, x);
  }),
  Not: formula((_, [x]) => `(!${x})`),
  And: infix("&&"),
  Or: infix("||"),
  Xor: infix("!="),
  Equal: infix("=="),
  Less: infix("<"),
  LessOrEqual: infix("<="),
  Greater: infix(">"),
  GreaterOrEqual: infix(">="),
  Clip: formula(clip),
  Where: formula(({ language }, [condition, yes, no]) => language.select(condition, yes, no)),
  Cast: (kernel, value, index) => {
    const [from] = value.node!.inputs;
    return converted(kernel, kernel.load(from, index), scalarOf(from), scalarOf(value));
  },
  IsNaN: formula((kernel, [x]) => `(${magnitude(kernel, x)} > ${INFINITY})`),
  IsInf: formula((kernel, [x], _, { attributes }) => {
    const is = `${magnitude(kernel, x)} == ${INFINITY}`;
    return attributes.detect_negative === 0 ? `(${is} && ${x} > ${f(kernel, 0)})` : `(${is})`;
  }),
  "ditlab.Gelu": formula((kernel, [x]) => `(${x} * ${sigmoid(kernel, geluInner(kernel, x))})`),
  /** dy (s + y (1 - s) (scale + 3 cubic scale x^2)), with s the sigmoid that y = x s has. */
  "ditlab.GeluGradient": formula((kernel, [dy, x, y]) => {
    const share = sigmoid(kernel, geluInner(kernel, x));
    const slope = `(${f(kernel, GELU.scale)} + ${f(kernel, 3 * GELU.scale * GELU.cubic)} * ${x} * ${x})`;
    return `(${dy} * (${share} + ${y} * (${f(kernel, 1)} - ${share}) * ${slope}))`;
  }),
};
