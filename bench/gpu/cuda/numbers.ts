/**
 * Random matrices that the device fills and the host can recompute entry by entry: eight significant bits, so that
 * bf16, f16 and f32 all hold them exactly.
 */
import type { Driver, Pointer } from "./driver.ts";
import { pack } from "./driver.ts";
import type { Compiler } from "./nvrtc.ts";

const HASH = (index: string, seed: string) => `
  unsigned x = (${index}) * 2654435761u + (${seed}) * 40503u;
  x ^= x >> 16; x *= 0x45d9f3bu; x ^= x >> 16; x *= 0x45d9f3bu; x ^= x >> 16;`;
const SOURCE = `
extern "C" __global__ void fill32(float *to, unsigned count, unsigned seed, float scale) {
  for (unsigned i = blockIdx.x * 256 + threadIdx.x; i < count; i += gridDim.x * 256) {${HASH("i", "seed")}
    to[i] = ((int)(2 * (x & 255)) - 255) / 256.0f * scale;
  }
}
extern "C" __global__ void fill16(unsigned short *to, unsigned count, unsigned seed, float scale) {
  for (unsigned i = blockIdx.x * 256 + threadIdx.x; i < count; i += gridDim.x * 256) {${HASH("i", "seed")}
    to[i] = __float_as_uint(((int)(2 * (x & 255)) - 255) / 256.0f * scale) >> 16;
  }
}
extern "C" __global__ void fillHalf(unsigned short *to, unsigned count, unsigned seed, float scale) {
  for (unsigned i = blockIdx.x * 256 + threadIdx.x; i < count; i += gridDim.x * 256) {${HASH("i", "seed")}
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to[i]) : "f"(((int)(2 * (x & 255)) - 255) / 256.0f * scale));
  }
}`;

/** The same entry on the host. */
export function entry(index: number, seed: number): number {
  let x = (Math.imul(index, 2654435761) + Math.imul(seed, 40503)) >>> 0;
  for (const factor of [0x45d9f3b, 0x45d9f3b]) x = Math.imul(x ^ (x >>> 16), factor) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  return (2 * (x & 255) - 255) / 256;
}

export type Type = "f32" | "f16" | "bf16";
export const bytesOf = (type: Type): number => (type === "f32" ? 4 : 2);

/** Makes matrices on the device; `scale` must be a power of two. */
export function filler(cuda: Driver, compiler: Compiler) {
  const module = cuda.module(compiler.compile(SOURCE, cuda.arch));
  const kernels = { f32: "fill32", bf16: "fill16", f16: "fillHalf" } as const;
  const functions = Object.fromEntries(Object.entries(kernels).map(([t, n]) => [t, cuda.kernel(module, n)]));
  return (type: Type, count: number, seed: number, scale = 1): Pointer => {
    const to = cuda.alloc(count * bytesOf(type));
    cuda.launch(
      functions[type],
      [1024, 1, 1],
      [256, 1, 1],
      0,
      pack([to, count, seed, Float32Array.of(scale)]),
    );
    cuda.synchronize();
    return to;
  };
}

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);
export function fromBf16(bits: number): number {
  word[0] = bits << 16;
  return single[0];
}
function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** Elements of a device buffer, as numbers. */
export function read(cuda: Driver, from: Pointer, type: Type, first: number, count: number): Float64Array {
  const raw = type === "f32" ? new Float32Array(count) : new Uint16Array(count);
  cuda.download(raw, from + BigInt(first * bytesOf(type)));
  cuda.synchronize();
  if (type === "f32") return Float64Array.from(raw);
  return Float64Array.from(raw, type === "bf16" ? fromBf16 : fromF16);
}

export interface Sample {
  readonly row: number;
  readonly column: number;
}
/** Places all over a matrix, its corners among them. */
export function places(rows: number, columns: number, count = 48): Sample[] {
  const corners = [0, rows - 1].flatMap((row) => [0, columns - 1].map((column) => ({ row, column })));
  const rest = Array.from({ length: count - 4 }, (_, i) => ({
    row: (i * 7919 + 13) % rows,
    column: (i * 104729 + 5) % columns,
  }));
  return [...corners, ...rest];
}
