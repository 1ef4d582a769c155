/* Numbers of 16 bits and TF32, rounded as a GPU's conversions round them. For kernels and for the stand-in libraries. */
#pragma once
#ifndef EMULATE_TOOL
#define EMULATE_TOOL static inline __attribute__((unused))
typedef unsigned short u16;
typedef unsigned int u32;
#endif

namespace emulate {
EMULATE_TOOL u32 bits_of(float x) {
  u32 u;
  __builtin_memcpy(&u, &x, 4);
  return u;
}
EMULATE_TOOL float float_of(u32 u) {
  float x;
  __builtin_memcpy(&x, &u, 4);
  return x;
}
}  // namespace emulate

EMULATE_TOOL float bf16_to_float(u16 x) { return emulate::float_of((u32)x << 16); }
EMULATE_TOOL u16 float_to_bf16(float x) {
  const u32 u = emulate::bits_of(x);
  if (x != x) return 0x7fff;
  return (u16)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
EMULATE_TOOL float half_to_float(u16 x) {
  const u32 sign = (u32)(x & 0x8000) << 16, exponent = (x >> 10) & 31, mantissa = x & 0x3ff;
  if (exponent == 31) return emulate::float_of(sign | 0x7f800000 | mantissa << 13);
  if (exponent) return emulate::float_of(sign | (exponent + 112) << 23 | mantissa << 13);
  const float small = (float)mantissa * 0x1p-24f;
  return sign ? -small : small;
}
EMULATE_TOOL u16 float_to_half(float x) {
  const u32 u = emulate::bits_of(x), sign = u >> 16 & 0x8000, size = u & 0x7fffffff;
  if (size > 0x7f800000) return 0x7fff;
  if (size >= 0x477ff000) return (u16)(sign | 0x7c00);
  // A sum with this number rounds what is below the smallest normal half to its steps, nearest even.
  if (size < 0x38800000) return (u16)(sign | (emulate::bits_of(emulate::float_of(size) + 0.5f) - 0x3f000000));
  return (u16)(sign | (size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13);
}
EMULATE_TOOL u32 pack_bf16(float low, float high) { return float_to_bf16(low) | (u32)float_to_bf16(high) << 16; }
EMULATE_TOOL u32 pack_f16(float low, float high) { return float_to_half(low) | (u32)float_to_half(high) << 16; }
/** cvt.rna: to the nearest of 10 mantissa bits, ties away from zero. */
EMULATE_TOOL u32 to_tf32(float x) {
  const u32 u = emulate::bits_of(x);
  return x != x ? 0x7fffffff : (u & 0x7f800000) == 0x7f800000 ? u : (u + 0x1000) & ~0x1fffu;
}
