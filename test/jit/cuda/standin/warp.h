/*
 * What threads do together: barriers, shuffles, atomics, copies that arrive later, and the tensor core. A kernel's own
 * text of these, inline PTX, is guarded by `#ifndef EMULATED`; here they have the same names.
 */
#pragma once
#include "words.h"
#include "numbers.h"

#define __syncthreads() emulate::sync_threads(__LINE__)
namespace emulate {
EMULATE_TOOL void sync_threads(int line) { machine->syncThreads(line); }
EMULATE_TOOL unsigned lane() { return machine->lane; }
template <typename T> EMULATE_TOOL T shuffle(unsigned mask, T value, unsigned from) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles take 4 or 8 bytes");
  unsigned in[3] = {0, 0, from}, out[2];
  __builtin_memcpy(in, &value, sizeof(T));
  machine->together(SHUFFLE, mask, in, 3, out, 2);
  __builtin_memcpy(&value, out, sizeof(T));
  return value;
}
}  // namespace emulate

EMULATE_TOOL void __syncwarp(unsigned mask = ~0u) { emulate::machine->together(emulate::SYNC_WARP, mask, nullptr, 0, nullptr, 0); }
/* Lanes beyond the end of their part of the warp keep their own value. */
template <typename T> EMULATE_TOOL T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  return emulate::shuffle(mask, value, (emulate::lane() & ~(width - 1)) | (from & (width - 1)));
}
template <typename T> EMULATE_TOOL T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32) {
  const unsigned from = emulate::lane() ^ by, end = (emulate::lane() | (width - 1)) + 1;
  return emulate::shuffle(mask, value, from < end ? from : emulate::lane());
}
template <typename T> EMULATE_TOOL T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const unsigned from = emulate::lane() + by, end = (emulate::lane() | (width - 1)) + 1;
  return emulate::shuffle(mask, value, from < end ? from : emulate::lane());
}
template <typename T> EMULATE_TOOL T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const unsigned start = emulate::lane() & ~(width - 1);
  return emulate::shuffle(mask, value, emulate::lane() >= start + by ? emulate::lane() - by : emulate::lane());
}
EMULATE_TOOL u32 __ballot_sync(unsigned mask, int wanted) {
  unsigned in = wanted != 0, out;
  emulate::machine->together(emulate::BALLOT, mask, &in, 1, &out, 1);
  return out;
}
EMULATE_TOOL int __any_sync(unsigned mask, int wanted) { return __ballot_sync(mask, wanted) != 0; }
EMULATE_TOOL int __all_sync(unsigned mask, int wanted) { return __ballot_sync(mask, !wanted) == 0; }
EMULATE_TOOL void __threadfence() {}
EMULATE_TOOL void __threadfence_block() {}

/* One thread runs at a time, so an atomic operation is a plain one, but that the checks let it meet its like. */
#ifdef EMULATE_CHECK
#define EMULATE_ATOMIC(p) emulate::machine->access(p, sizeof(*p), emulate::ATOMIC)
#else
#define EMULATE_ATOMIC(p) (void)0
#endif
#define EMULATE_ATOMICS(T)                                                                                        \
  EMULATE_TOOL T atomicAdd(T *p, T v) { EMULATE_ATOMIC(p); T old = *p; *p = old + v; return old; }                \
  EMULATE_TOOL T atomicMax(T *p, T v) { EMULATE_ATOMIC(p); T old = *p; *p = max(old, v); return old; }            \
  EMULATE_TOOL T atomicMin(T *p, T v) { EMULATE_ATOMIC(p); T old = *p; *p = min(old, v); return old; }            \
  EMULATE_TOOL T atomicExch(T *p, T v) { EMULATE_ATOMIC(p); T old = *p; *p = v; return old; }                     \
  EMULATE_TOOL T atomicCAS(T *p, T is, T v) { EMULATE_ATOMIC(p); T old = *p; if (old == is) *p = v; return old; }
EMULATE_ATOMICS(float)
EMULATE_ATOMICS(int)
EMULATE_ATOMICS(unsigned)
EMULATE_ATOMICS(unsigned long long)
#undef EMULATE_ATOMICS
#define EMULATE_BITWISE(T)                                                                                        \
  EMULATE_TOOL T atomicOr(T *p, T v) { EMULATE_ATOMIC(p); T old = *p; *p = old | v; return old; }                 \
  EMULATE_TOOL T atomicAnd(T *p, T v) { EMULATE_ATOMIC(p); T old = *p; *p = old & v; return old; }
EMULATE_BITWISE(int)
EMULATE_BITWISE(unsigned)
#undef EMULATE_BITWISE

EMULATE_TOOL saddr shared_address(const void *pointer) { return emulate::machine->sharedAddress(pointer); }
EMULATE_TOOL void copy_async16(saddr to, const void *from) { emulate::machine->copyAsync(to, from, true); }
EMULATE_TOOL void copy_async16_or_zero(saddr to, const void *from, bool wanted) { emulate::machine->copyAsync(to, from, wanted); }
EMULATE_TOOL void commit_copies() { emulate::machine->commitCopies(); }
template <int N> EMULATE_TOOL void wait_copies() { emulate::machine->waitCopies(N); }

EMULATE_TOOL void load_matrices(u32 (&r)[4], saddr p) {
  emulate::machine->together(emulate::LOAD_MATRICES, ~0u, &p, 1, r, 4);
}
EMULATE_TOOL void load_matrices_transposed(u32 (&r)[4], saddr p) {
  emulate::machine->together(emulate::LOAD_MATRICES_TRANSPOSED, ~0u, &p, 1, r, 4);
}
namespace emulate {
EMULATE_TOOL void product(Together what, float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  u32 in[10] = {a[0], a[1], a[2], a[3], b0, b1}, out[4];
  __builtin_memcpy(in + 6, c, 16);
  machine->together(what, ~0u, in, 10, out, 4);
  __builtin_memcpy(c, out, 16);
}
}  // namespace emulate
EMULATE_TOOL void mma_bf16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { emulate::product(emulate::MMA_BF16, c, a, b0, b1); }
EMULATE_TOOL void mma_f16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { emulate::product(emulate::MMA_F16, c, a, b0, b1); }
EMULATE_TOOL void mma_tf32(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { emulate::product(emulate::MMA_TF32, c, a, b0, b1); }
