/** What cuBLASLt does behind a product, as kernels of our own: for kinds of products of which it has no such algorithm. */
import { GELU } from "../../../tensor/operations.ts";
import type { Epilogue } from "../../plan/library.ts";
import type { StorageFormat } from "../../plan/precision.ts";
import { ENTRY } from "./language.ts";
import { HALVES_TOOLS } from "./prelude.ts";

export const THREADS = 256;
/** Columns that a block of the sums has, side by side. */
export const COLUMNS = 32;

const FUNCTIONS = `
HERE f32 gelu_share(f32 x) { return 1.0f / (1.0f + expf(-x * (${GELU.scale}f + ${GELU.scale * GELU.cubic}f * x * x))); }
HERE f32 gelu(f32 x) { return x * gelu_share(x); }
HERE f32 gelu_slope(f32 x) {
  const f32 share = gelu_share(x);
  return share + x * share * (1.0f - share) * (${GELU.scale}f + ${3 * GELU.scale * GELU.cubic}f * x * x);
}
`;

/** Of a number \`x\` of the product, at place \`i\`. */
const FORMULAS: Readonly<Record<Exclude<Epilogue["kind"], "factor sums">, string>> = {
  bias: "out[i] = NARROW(x + WIDE(vector[i % columns]));",
  gelu: "out[i] = NARROW(gelu(x + WIDE(vector[i % columns])));",
  "gelu with argument": `const f32 y = x + WIDE(vector[i % columns]);
    argument[i] = NARROW(y);
    out[i] = NARROW(gelu(y));`,
  "gelu gradient": "out[i] = NARROW(x * gelu_slope(WIDE(argument[i])));",
};

const formats = (format: StorageFormat): string => {
  const [wide, narrow] =
    format === "float16" ? ["half_to_float", "float_to_half"] : ["bf16_to_float", "float_to_bf16"];
  return `#define WIDE(x) ${wide}(x)\n#define NARROW(x) ${narrow}(x)\n`;
};

/** A thread for each number of the product, which it takes the place of; arguments: out, vector, argument, count, columns. */
const each = (kind: keyof typeof FORMULAS): string => `${FUNCTIONS}
extern "C" __global__ void __launch_bounds__(${THREADS}) ${ENTRY}(u16 *__restrict__ out, const u16 *__restrict__ vector, u16 *__restrict__ argument, u32 count, u32 columns) {
  for (u32 i = blockIdx.x * ${THREADS}u + threadIdx.x; i < count; i += gridDim.x * ${THREADS}u) {
    const f32 x = WIDE(out[i]);
    ${FORMULAS[kind]}
  }
}
`;

/** Sums over rows, by blocks that have some columns each; arguments: the factor, the sums, its rows, its columns. */
const SUMS = `
extern "C" __global__ void __launch_bounds__(${THREADS}) ${ENTRY}(const u16 *__restrict__ factor, f32 *__restrict__ sums, u32 rows, u32 columns) {
  __shared__ f32 parts[${THREADS}];
  const u32 column = blockIdx.x * ${COLUMNS}u + threadIdx.x % ${COLUMNS}u;
  f32 sum = 0.0f;
  if (column < columns)
    for (u32 row = threadIdx.x / ${COLUMNS}u; row < rows; row += ${THREADS / COLUMNS}u) sum += WIDE(factor[(u64)row * columns + column]);
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= ${COLUMNS}u || column >= columns) return;
  for (u32 part = 1u; part < ${THREADS / COLUMNS}u; part++) sum += parts[part * ${COLUMNS}u + threadIdx.x];
  sums[column] = sum;
}
`;

export const epilogueText = (kind: Epilogue["kind"], format: StorageFormat): string =>
  `${HALVES_TOOLS}${formats(format)}${kind === "factor sums" ? SUMS : each(kind)}`;
