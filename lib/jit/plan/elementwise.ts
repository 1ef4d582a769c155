/** Operators that compute each number of their result from one number of each operand. */
import { GELU } from "../../tensor/operations.ts";
import type { GraphNode } from "../graph.ts";
import { broadcastIndex, type Expression, type Index, type KernelBuilder, scalarOf } from "./builder.ts";
import {
  arcSinh,
  arcsine,
  arcTanh,
  erf,
  exponential,
  exponentialLessOne,
  f,
  isInfinite,
  isNoNumber,
  logarithm,
  logOfOneMore,
  power,
  sigmoid,
  sine,
  sinh,
  softplus,
  tanh,
} from "./functions.ts";
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

const zeroOf = ({ language }: KernelBuilder, type: Scalar): string => language.literal(type, 0);

/** Converts a number as ONNX does: any but 0 is true, and fractions are cut off. */
export const converted = (kernel: KernelBuilder, x: string, from: Scalar, to: Scalar): string => {
  if (from === to) return x;
  if (to === "bool") return `(${x} != ${zeroOf(kernel, from)})`;
  return kernel.language.convert(from, to, x);
};

/** The argument of GELU's sigmoid. */
const geluInner = (kernel: KernelBuilder, x: string): string =>
  kernel.let(
    "f32",
    `${x} * (${f(kernel, GELU.scale)} + ${f(kernel, GELU.scale * GELU.cubic)} * ${x} * ${x})`,
  );

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
    return language.select(`(${rest} != 0 && ((${rest} < 0) != (${b} < 0)))`, `(${rest} + ${b})`, rest);
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
  Asinh: formula((kernel, [x]) => arcSinh(kernel, x)),
  Atan: call("atan"),
  Atanh: formula((kernel, [x]) => arcTanh(kernel, x)),
  Ceil: call("ceil"),
  Cos: formula((kernel, [x]) => sine(kernel, x, 0.5)),
  Cosh: call("cosh"),
  Exp: formula((kernel, [x]) => exponential(kernel, x)),
  Floor: call("floor"),
  Log: formula((kernel, [x]) => logarithm(kernel, x)),
  Round: call("round"),
  Sign: call("sign"),
  Sin: formula((kernel, [x]) => sine(kernel, x, 0)),
  Sinh: formula((kernel, [x]) => sinh(kernel, x)),
  Sqrt: call("sqrt"),
  Tan: formula((kernel, [x]) => `(${sine(kernel, x, 0)} / ${sine(kernel, x, 0.5)})`),
  Tanh: formula((kernel, [x]) => tanh(kernel, x)),
  Erf: formula((kernel, [x]) => erf(kernel, x)),
  Reciprocal: formula((kernel, [x]) => `(${f(kernel, 1)} / ${x})`),
  Sigmoid: formula((kernel, [x]) => sigmoid(kernel, x)),
  Softplus: formula((kernel, [x]) => softplus(kernel, x)),
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
  IsNaN: formula((kernel, [x]) => isNoNumber(kernel, x)),
  IsInf: formula((kernel, [x], _, { attributes }) => {
    const is = isInfinite(kernel, x);
    return attributes.detect_negative === 0 ? `(${is} && ${x} > ${f(kernel, 0)})` : `(${is})`;
  }),
  "ditlab.Expm1": formula((kernel, [x]) => exponentialLessOne(kernel, x)),
  "ditlab.Log1p": formula((kernel, [x]) => logOfOneMore(kernel, x)),
  "ditlab.Gelu": formula((kernel, [x]) => `(${x} * ${sigmoid(kernel, geluInner(kernel, x))})`),
  /** dy (s + y (1 - s) (scale + 3 cubic scale x^2)), with s the sigmoid that y = x s has. */
  "ditlab.GeluGradient": formula((kernel, [dy, x, y]) => {
    const share = sigmoid(kernel, geluInner(kernel, x));
    const slope = `(${f(kernel, GELU.scale)} + ${f(kernel, 3 * GELU.scale * GELU.cubic)} * ${x} * ${x})`;
    return `(${dy} * (${share} + ${y} * (${f(kernel, 1)} - ${share}) * ${slope}))`;
  }),
};
