/**
 * Functions of one number, as exact as float32 allows: those of a GPU's languages may be off by thousands of times that,
 * near 0 above all, where what subtracts their results finds nothing else.
 */
import type { KernelBuilder } from "./builder.ts";

/** A literal. */
export const f = ({ language }: KernelBuilder, value: number): string => language.literal("f32", value);

const call = (
  kernel: KernelBuilder,
  ...[fn, ...args]: Parameters<KernelBuilder["language"]["call"]>
): string => kernel.language.call(fn, ...args);

const made = (kernel: KernelBuilder, expression: string): string => kernel.let("f32", expression);

/** The bits of a float without its sign, and those of infinity: compilers may take `x != x` for false. */
const magnitude = ({ language }: KernelBuilder, x: string): string =>
  `(${language.bits("f32", "u32", x)} & 0x7fffffffu)`;
export const isNoNumber = (kernel: KernelBuilder, x: string): string =>
  `(${magnitude(kernel, x)} > 0x7f800000u)`;
export const isInfinite = (kernel: KernelBuilder, x: string): string =>
  `(${magnitude(kernel, x)} == 0x7f800000u)`;
const isNotFinite = (kernel: KernelBuilder, x: string): string => `(${magnitude(kernel, x)} >= 0x7f800000u)`;

/** A polynomial of x from its highest coefficient down, each fitted over the range that is named beside it. */
const polynomial = (kernel: KernelBuilder, x: string, coefficients: readonly number[]): string => {
  const [first, ...others] = coefficients.map((value) => f(kernel, value));
  return others.reduce((sum, c) => `(${sum} * ${x} + ${c})`, first);
};

/** log 2 in parts of few digits, whose products with whole numbers are exact. */
const LOG_2 = [0.693359375, -2.12194440054691e-4];

/** Of (e^r - 1 - r) / r^2, for |r| up to half of log 2. */
const EXPONENTIAL = [0.0013933651, 0.00836318, 0.041666467, 0.16666577, 0.5];

/** e^x - 1 where |x| is less than half of log 2. */
const nearZero = (kernel: KernelBuilder, x: string): string =>
  `(${x} + ${x} * ${x} * ${polynomial(kernel, x, EXPONENTIAL)})`;

/** e^x - 1 */
export function exponentialLessOne(kernel: KernelBuilder, x: string): string {
  const isNear = `(${call(kernel, "abs", x)} < ${f(kernel, Math.LN2 / 2)})`;
  const far = `${exponential(kernel, x)} - ${f(kernel, 1)}`;
  return made(kernel, kernel.language.select(isNear, nearZero(kernel, x), far));
}

/** e^x by a power of two and what is left: that of WGSL loses as many units in the last place as twice x. */
export function exponential(kernel: KernelBuilder, x: string): string {
  const { language } = kernel;
  // Beyond, it is 0 or infinite.
  const inside = made(kernel, call(kernel, "max", call(kernel, "min", x, f(kernel, 89)), f(kernel, -104)));
  const turns = made(kernel, call(kernel, "round", `${inside} * ${f(kernel, Math.LOG2E)}`));
  const [high, low] = LOG_2.map((part) => f(kernel, part));
  const rest = made(kernel, `(${inside} - ${turns} * ${high}) - ${turns} * ${low}`);
  const value = `${f(kernel, 1)} + ${nearZero(kernel, rest)}`;
  // In two factors, as the power itself may be too large or too small for one.
  const power = kernel.let("i32", language.convert("f32", "i32", turns));
  const half = kernel.let("i32", `${power} / 2`);
  const two = (exponent: string): string =>
    language.bits("u32", "f32", `(${language.convert("i32", "u32", `(${exponent} + 127)`)} << 23u)`);
  const result = `(${value}) * ${two(half)} * ${two(`(${power} - ${half})`)}`;
  // The bounds above make a number of what is none.
  return made(kernel, language.select(isNoNumber(kernel, x), x, result));
}

/** x + x^3 P(x^2). */
const odd = (kernel: KernelBuilder, x: string, coefficients: readonly number[]): string => {
  const square = made(kernel, `${x} * ${x}`);
  return made(kernel, `${x} + ${x} * ${square} * ${polynomial(kernel, square, coefficients)}`);
};

/** The polynomial below a size of x, and beyond it another formula of the size, with x's sign. */
function oddOrElse(
  kernel: KernelBuilder,
  x: string,
  limit: number,
  coefficients: readonly number[],
  beyond: (size: string) => string,
): string {
  const size = made(kernel, call(kernel, "abs", x));
  const far = made(kernel, beyond(size));
  const signed = kernel.language.select(`(${x} < ${f(kernel, 0)})`, `-${far}`, far);
  return kernel.language.select(`(${size} < ${f(kernel, limit)})`, odd(kernel, x, coefficients), signed);
}

/** |x| < 0.625 */
const TANH = [-0.006104948, 0.021003641, -0.0538525, 0.13332783, -0.33333328];
export const tanh = (kernel: KernelBuilder, x: string): string =>
  oddOrElse(kernel, x, 0.625, TANH, (size) => {
    // Beyond 15 it is 1, and some drivers' exponential is not.
    const inside = call(kernel, "min", size, f(kernel, 15));
    return `${f(kernel, 1)} - ${f(kernel, 2)} / (${exponential(kernel, made(kernel, `${f(kernel, 2)} * ${inside}`))} + ${f(kernel, 1)})`;
  });

/** |x| < 1 */
const SINH = [2.8062905e-6, 1.9838101e-4, 0.008333339, 0.16666667];
export const sinh = (kernel: KernelBuilder, x: string): string =>
  oddOrElse(kernel, x, 1, SINH, (size) => {
    // In two factors, as the sum is finite where one is not.
    const half = made(kernel, exponential(kernel, made(kernel, `${f(kernel, 0.5)} * ${size}`)));
    return `${f(kernel, 0.5)} * ${half} * ${half} - ${f(kernel, 0.5)} / (${half} * ${half})`;
  });

/** |x| < 0.5 */
const ARC_SINH = [-0.01431654, 0.028797703, -0.044508733, 0.07499594, -0.16666664];
export const arcSinh = (kernel: KernelBuilder, x: string): string =>
  oddOrElse(kernel, x, 0.5, ARC_SINH, (size) => {
    const root = call(kernel, "sqrt", `${f(kernel, 1)} + ${f(kernel, 1)} / (${size} * ${size})`);
    return `${logarithm(kernel, size)} + ${logarithm(kernel, made(kernel, `${f(kernel, 1)} + ${root}`))}`;
  });

/** |x| < 0.5 */
const ARC_TANH = [0.15813754, 0.064550035, 0.11478225, 0.14263242, 0.20000497, 0.33333331];
export const arcTanh = (kernel: KernelBuilder, x: string): string =>
  oddOrElse(kernel, x, 0.5, ARC_TANH, (size) => {
    const one = f(kernel, 1);
    return `${f(kernel, 0.5)} * ${logarithm(kernel, made(kernel, `(${one} + ${size}) / (${one} - ${size})`))}`;
  });

/** Of (log(1 + x) - x + x^2 / 2) / x^3, for 1 + x between the roots of 0.5 and 2. */
const LOGARITHM = [
  0.07149754, -0.11571201, 0.116615109, -0.124110505, 0.14249937, -0.16668481, 0.20000708, -0.2499999,
  0.33333331,
];
/** What brings the root of 0.5 to 1, and the root's bits. */
const [SHIFT, ROOT] = ["4913933u", "1060439283u"];

/** log(1 + x) where 1 + x is between the roots of 0.5 and 2; `more` belongs to its small terms. */
const nearOne = (kernel: KernelBuilder, x: string, more = ""): string => {
  const square = made(kernel, `${x} * ${x}`);
  const cubic = `${x} * ${square} * ${polynomial(kernel, x, LOGARITHM)}`;
  return `(${x} + (${cubic}${more} - ${f(kernel, 0.5)} * ${square}))`;
};

/** The logarithm, by the exponent of two and what is left: that of WGSL may be off by 5e-7 around 1, where it is 0. */
export function logarithm(kernel: KernelBuilder, x: string): string {
  const { language } = kernel;
  const raw = kernel.let("u32", `${language.bits("f32", "u32", x)} + ${SHIFT}`);
  const power = kernel.let("i32", `${language.convert("u32", "i32", `(${raw} >> 23u)`)} - 127`);
  const twos = made(kernel, language.convert("i32", "f32", power));
  const part = language.bits("u32", "f32", `((${raw} & 0x7fffffu) + ${ROOT})`);
  const rest = made(kernel, `${part} - ${f(kernel, 1)}`);
  const [high, low] = LOG_2.map((value) => f(kernel, value));
  const value = `${nearOne(kernel, rest, ` + ${twos} * ${low}`)} + ${twos} * ${high}`;
  const isPlain = `(${x} > ${f(kernel, 1.1754944e-38)} && ${x} < ${f(kernel, 3.4028235e38)})`;
  const ends: [condition: string, value: string][] = [
    [`(${x} < ${f(kernel, 0)})`, f(kernel, Number.NaN)],
    [`(${x} == ${f(kernel, 0)})`, f(kernel, Number.NEGATIVE_INFINITY)],
    [isNotFinite(kernel, x), x],
  ];
  // Numbers too small for an exponent of their own are the driver's.
  const atEnds = ends.reduceRight(
    (other, [is, end]) => language.select(is, end, other),
    call(kernel, "log", x),
  );
  return made(kernel, language.select(isPlain, value, atEnds));
}

/** log(1 + x), without the sum where it would round x. */
export function logOfOneMore(kernel: KernelBuilder, x: string): string {
  const { language } = kernel;
  const isNear = `(${x} > ${f(kernel, Math.SQRT1_2 - 1)} && ${x} < ${f(kernel, Math.SQRT2 - 1)})`;
  const far = logarithm(kernel, made(kernel, `${f(kernel, 1)} + ${x}`));
  return made(kernel, language.select(isNear, nearOne(kernel, x), far));
}

/** log(1 + e^x) */
export const softplus = (kernel: KernelBuilder, x: string): string => {
  const tail = made(kernel, exponential(kernel, made(kernel, `-${call(kernel, "abs", x)}`)));
  return `(${call(kernel, "max", x, f(kernel, 0))} + ${logOfOneMore(kernel, tail)})`;
};

export const sigmoid = (kernel: KernelBuilder, x: string): string =>
  made(kernel, `${f(kernel, 1)} / (${f(kernel, 1)} + ${exponential(kernel, made(kernel, `-${x}`))})`);

/** Coefficients of the sine's odd polynomial on half a turn, from x^9 down to x^3, within 1e-7. */
const SINE = [2.6083159809786594e-6, -1.981069071916863e-4, 8.333078585565101e-3, -0.16666659712791443];
/** Pi in parts of few digits, whose products with whole numbers are exact. */
const PI = [3.140625, 9.675025939941406e-4, 1.509957990978e-7];

/**
 * The sine (`shift` 0) or cosine (0.5), by the remainder of half turns: those of a GPU's languages hold to 11 bits, and
 * only within a turn.
 */
export function sine(kernel: KernelBuilder, x: string, shift: 0 | 0.5): string {
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
  const value = odd(kernel, rest, SINE);
  const isOdd = `(${language.call("floor", `${turns} * ${f(kernel, 0.5)}`)} * ${f(kernel, 2)} != ${turns})`;
  // The cosine falls through zero at the first half turn.
  return shift === 0
    ? language.select(isOdd, `-${value}`, value)
    : language.select(isOdd, value, `-${value}`);
}

/** asin(x) = 2 atan(x / (1 + sqrt(1 - x^2))), as some drivers' own holds to 11 bits. */
export const arcsine = (kernel: KernelBuilder, x: string): string => {
  const { language } = kernel;
  const root = language.call("sqrt", `(${f(kernel, 1)} - ${x}) * (${f(kernel, 1)} + ${x})`);
  return kernel.let(
    "f32",
    `${f(kernel, 2)} * ${language.call("atan", `${x} / (${f(kernel, 1)} + ${root})`)}`,
  );
};

/** x to the power y, also of negative x where y is whole: what languages have knows positive ones. */
export function power(kernel: KernelBuilder, x: string, y: string): string {
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
export function erf(kernel: KernelBuilder, x: string): string {
  const { language } = kernel;
  const size = kernel.let("f32", language.call("abs", x));
  const t = kernel.let("f32", `${f(kernel, 1)} / (${f(kernel, 1)} + ${f(kernel, 0.3275911)} * ${size})`);
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const value = `${f(kernel, 1)} - ${polynomial(kernel, t, coefficients)} * ${t} * ${exponential(kernel, made(kernel, `-${size} * ${size}`))}`;
  return `${language.call("sign", x)} * (${value})`;
}
