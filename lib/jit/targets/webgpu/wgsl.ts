/** Kernels in WGSL. */
import type { MatrixShape } from "../../plan/forms.ts";
import type {
  Language,
  LocalArray,
  MatrixLanguage,
  MatrixRole,
  Scalar,
  Vector,
} from "../../plan/language.ts";

const typeOf = (type: Scalar | Vector | "f16"): string => (type === "float4" ? "vec4<f32>" : type);
const array = ({ name, type, length }: LocalArray): string => `${name}: array<${typeOf(type)}, ${length}>`;

/** WGSL has no literals of infinities and NaN, and refuses what it can tell to be one: these it cannot. */
const BITS = `fn from_bits(bits: u32) -> f32 { var runtime = bits; return bitcast<f32>(runtime); }`;

/**
 * A bfloat16 is the upper half of a float32. WGSL has no type for it: its bits lie in memory as those of a float16, which
 * nothing computes with.
 */
const BFLOAT16 = [
  "fn widened(half: f16) -> f32 { return bitcast<f32>(bitcast<u32>(vec2<f16>(half, 0h)) << 16u); }",
  "fn narrowed(number: f32) -> f16 {",
  "  let bits = bitcast<u32>(number);",
  "  let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;",
  "  // What is no number would become one.",
  "  return bitcast<vec2<f16>>(select(rounded, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u)).x;",
  "}",
].join("\n");

/** Function that rounds to float16; from `first`, a magnitude's bits, it does so by bits. WGSL promises nothing beyond the range. */
const rounding = (name: string, first: string): string =>
  [
    `fn ${name}(number: f32) -> f16 {`,
    "  let bits = bitcast<u32>(number);",
    "  let magnitude = bits & 0x7fffffffu;",
    "  let special = ((bits >> 16u) & 0x8000u) | 0x7c00u | select(0u, 0x200u, magnitude > 0x7f800000u);",
    "  let rounded = f16(clamp(number, -65504f, 65504f));",
    `  return select(rounded, bitcast<vec2<f16>>(special).x, magnitude >= ${first}u);`,
    "}",
  ].join("\n");

/** Beyond its range a float16 is infinite, from 65520 on, which is in the middle to the next number that there would be. */
const FLOAT16 = rounding("half_of", "0x477ff000");
/** As a factor of numbers with a wider range, it is its largest number there. */
const FACTOR = rounding("factor_of", "0x7f800000");

function float(value: number): string {
  if (Number.isNaN(value)) return "from_bits(0x7fc00000u)";
  if (!Number.isFinite(value)) return `from_bits(${value > 0 ? "0x7f800000u" : "0xff800000u"})`;
  // Rounded here, as a number of more digits than float32 has may be refused.
  const text = String(Math.fround(value));
  return Object.is(value, -0) ? "-0f" : `${text}f`;
}

const MATRICES = "chromium_experimental_subgroup_matrix";

function matrixType({ M, N, K }: MatrixShape, role: MatrixRole): string {
  if (role === "left") return `subgroup_matrix_left<f16, ${K}, ${M}>`;
  return role === "right"
    ? `subgroup_matrix_right<f16, ${N}, ${K}>`
    : `subgroup_matrix_result<f32, ${N}, ${M}>`;
}

/** Chromium's builtins, still an experiment. */
const MATRIX: MatrixLanguage = {
  variable: (shape, name) => `var ${name}: ${matrixType(shape, "sums")};`,
  load(shape, role, { array, at, pitch, alongRows }) {
    const order = alongRows ? "row_major" : "col_major";
    return `subgroupMatrixLoad<${matrixType(shape, role)}, ${order}>(&${array}, ${at}, ${pitch}u)`;
  },
  add: (_, sums, left, right) => `${sums} = subgroupMatrixMultiplyAccumulate(${left}, ${right}, ${sums});`,
  store: (_, sums, array, at, pitch) =>
    `subgroupMatrixStore<row_major>(&${array}, ${at}, ${sums}, ${pitch}u);`,
  rounded: (_, number) => `factor_of(${number})`,
};

const zero = (type: Scalar): string => (type === "bool" ? "false" : `${type}(0)`);

export const WGSL: Language = {
  literal(type, value) {
    if (type === "bool") return value ? "true" : "false";
    if (type === "f32") return value < 0 || Object.is(value, -0) ? `(${float(value)})` : float(value);
    if (type === "u32") return `${value}u`;
    // The least integer has no literal.
    return value === -(2 ** 31) ? "(-2147483647i - 1i)" : value < 0 ? `(${value}i)` : `${value}i`;
  },
  constant: (type, name, expression) =>
    type === "matrix" ? `let ${name} = ${expression};` : `let ${name}: ${typeOf(type)} = ${expression};`,
  variable: (type, name, expression) => `var ${name}: ${typeOf(type)} = ${expression};`,
  local: (local) => `var ${array(local)};`,
  vector: (...numbers) => `vec4<f32>(${numbers.join(", ")})`,
  part: (vector, place) => `${vector}[${place}]`,
  select: (condition, yes, no) => `select(${no}, ${yes}, ${condition})`,
  convert: (from, to, expression) =>
    from === "bool" ? `select(${zero(to)}, ${to}(1), ${expression})` : `${to}(${expression})`,
  bits: (from, to, expression) => (from === to ? expression : `bitcast<${to}>(${expression})`),
  widened: (format, element) => (format === "float16" ? `f32(${element})` : `widened(${element})`),
  narrowed: (format, number) => (format === "float16" ? `half_of(${number})` : `narrowed(${number})`),
  call: (fn, ...args) => `${fn}(${args.join(", ")})`,
  component: (array, at) => `${array}[(${at}) / 4u][(${at}) % 4u]`,
  matrix: MATRIX,
  barrier: "workgroupBarrier();",
  kernel({ buffers, usesScalars, sizes, shared, workgroup, lines }) {
    const arrays = [
      ...buffers.map((type, i) => [`b${i}`, type]),
      ...(usesScalars ? [["scalars", "u32"]] : []),
    ];
    const fields = Array.from({ length: sizes }, (_, i) => `s${i}: u32`);
    const uses = (name: string): boolean => lines.some((line) => line.includes(`${name}(`));
    const usesMatrices = uses("subgroupMatrixMultiplyAccumulate");
    return [
      // A place is the same for all of a subgroup, though a compiler cannot tell.
      ...(usesMatrices ? ["diagnostic(off, chromium.subgroup_matrix_uniformity);"] : []),
      ...(usesMatrices || buffers.includes("f16") ? ["enable f16;"] : []),
      ...(usesMatrices ? [`enable subgroups, ${MATRICES};`] : []),
      ...(uses("from_bits") ? [BITS] : []),
      ...(uses("widened") || uses("narrowed") ? [BFLOAT16] : []),
      ...(uses("half_of") ? [FLOAT16] : []),
      ...(uses("factor_of") ? [FACTOR] : []),
      ...arrays.map(
        ([name, type], i) => `@group(0) @binding(${i + 1}) var<storage, read_write> ${name}: array<${type}>;`,
      ),
      ...(sizes > 0
        ? [`struct Sizes { ${fields.join(", ")} }`, "@group(0) @binding(0) var<uniform> sizes: Sizes;"]
        : []),
      ...shared.map((memory) => `var<workgroup> ${array(memory)};`),
      `@compute @workgroup_size(${workgroup})`,
      "fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) lid: u32) {",
      ...Array.from({ length: sizes }, (_, i) => `  let s${i} = sizes.s${i};`),
      ...lines,
      "}",
    ].join("\n");
  },
};
