/** Kernels in CUDA C++. */
import type {
  Language,
  LocalArray,
  MathFunction,
  MatrixLanguage,
  Scalar,
  Vector,
} from "../../plan/language.ts";
import { preludeOf } from "./prelude.ts";

const typeOf = (type: Scalar | Vector | "f16"): string => (type === "f16" ? "u16" : type);
const array = ({ name, type, length }: LocalArray): string => `${typeOf(type)} ${name}[${length}]`;

const FUNCTIONS: Readonly<Record<MathFunction, string>> = {
  abs: "magnitude",
  acosh: "acoshf",
  asinh: "asinhf",
  atan: "atanf",
  atanh: "atanhf",
  ceil: "ceilf",
  cosh: "coshf",
  exp: "expf",
  floor: "floorf",
  inverseSqrt: "inverse_root",
  log: "logf",
  max: "most",
  min: "least",
  pow: "powf",
  round: "rintf",
  sign: "sign_of",
  sinh: "sinhf",
  sqrt: "sqrtf",
  tanh: "tanhf",
  trunc: "truncf",
};

function float(value: number): string {
  if (Number.isNaN(value)) return "__uint_as_float(0x7fc00000u)";
  if (!Number.isFinite(value)) return `__uint_as_float(${value > 0 ? "0x7f800000u" : "0xff800000u"})`;
  const text = String(Math.fround(value));
  const literal = `${/[.e]/.test(text) ? text : `${text}.0`}f`;
  if (Object.is(value, -0)) return "(-0.0f)";
  return value < 0 ? `(${literal})` : literal;
}

/** Matrices of 16 by 16 in the tensor cores. */
const MATRIX: MatrixLanguage = {
  variable: (_, name) => `Sums ${name} = {};`,
  load(_, role, { array, at, pitch, alongRows }) {
    const order = role === "left" ? (alongRows ? "rows" : "terms") : alongRows ? "terms" : "columns";
    return `${role}_by_${order}(&${array}[${at}], ${pitch}u)`;
  },
  add: ({ format }, sums, left, right) =>
    `add_product_${format === "float16" ? "f16" : "bf16"}(${sums}, ${left}, ${right});`,
  store: (_, sums, array, at, pitch) => `store_sums(${sums}, &${array}[${at}], ${pitch}u);`,
  rounded: ({ format }, number) =>
    format === "float16" ? `float_to_half(${number})` : `float_to_bf16(${number})`,
};

/** The name of each kernel: a text has one. */
export const ENTRY = "kernel";

export const CUDA: Language = {
  literal(type, value) {
    if (type === "bool") return value ? "true" : "false";
    if (type === "f32") return float(value);
    if (type === "u32") return `${value}u`;
    // The least integer has no literal.
    return value === -(2 ** 31) ? "(-2147483647 - 1)" : value < 0 ? `(${value})` : `${value}`;
  },
  constant: (type, name, expression) =>
    `const ${type === "matrix" ? "Matrix" : typeOf(type)} ${name} = ${expression};`,
  variable: (type, name, expression) => `${typeOf(type)} ${name} = ${expression};`,
  local: (local) => `${array(local)} = {};`,
  vector: (...numbers) => `four(${numbers.join(", ")})`,
  part: (vector, place) => `((f32 *)&${vector})[${place}]`,
  select: (condition, yes, no) => `(${condition} ? ${yes} : ${no})`,
  convert(from, to, expression) {
    if (from === "bool") return `(${expression} ? ${to}(1) : ${to}(0))`;
    if (from === "f32" && to === "i32") return `integer_of(${expression})`;
    if (from === "f32" && to === "u32") return `natural_of(${expression})`;
    return `${to}(${expression})`;
  },
  bits(from, to, expression) {
    if (from === to) return expression;
    if (from === "f32") return `${to}(__float_as_uint(${expression}))`;
    return to === "f32" ? `__uint_as_float(u32(${expression}))` : `${to}(${expression})`;
  },
  widened: (format, element) => `${format === "float16" ? "half_to_float" : "bf16_to_float"}(${element})`,
  narrowed: (format, number) => `${format === "float16" ? "float_to_half" : "float_to_bf16"}(${number})`,
  call: (fn, ...args) => `${FUNCTIONS[fn]}(${args.join(", ")})`,
  component: (array, at) => `((f32 *)${array})[${at}]`,
  matrix: MATRIX,
  barrier: "__syncthreads();",
  kernel({ buffers, usesScalars, sizes, shared, workgroup, lines }) {
    const parameters = [
      ...buffers.map((type, i) => `${typeOf(type)} *__restrict__ b${i}`),
      ...(usesScalars ? ["u32 *__restrict__ scalars"] : []),
      ...Array.from({ length: sizes }, (_, i) => `const u32 s${i}`),
    ];
    return [
      preludeOf(lines, buffers.includes("f16")),
      `extern "C" __global__ void __launch_bounds__(${workgroup}) ${ENTRY}(${parameters.join(", ")}) {`,
      "  const u32 lid = threadIdx.x;",
      ...(lines.some((line) => line.includes("wg."))
        ? ["  const struct { u32 x, y; } wg = {blockIdx.x, blockIdx.y};"]
        : []),
      // Whole numbers of 16 bytes, so that vectors lie as the hardware reads them.
      ...shared.map((memory) => `  __shared__ __align__(16) ${array(memory)};`),
      ...lines,
      "}",
      "",
    ].join("\n");
  },
};
