/* The words of CUDA C++ that NVRTC knows without a header: qualifiers, vectors and mathematics. */
#pragma once
#include "machine.h"

#define EMULATED 1
#define __CUDA_ARCH__ 900
#define __global__
#define __device__
#define __host__
#define __constant__ static
/* All static shared memory of a module lies in one section, so that the machine finds it. */
#define __shared__ static __attribute__((section("emulated_shared"), aligned(16)))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

/** The emulator's own functions are not what the checks are about: g++ then calls them instead of inlining. */
#define EMULATE_TOOL static inline __attribute__((no_sanitize("thread"), unused))

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef u32 saddr;

namespace emulate {
__attribute__((visibility("hidden"))) extern const Machine *machine;
EMULATE_TOOL dim3 thread() { return machine->thread; }
EMULATE_TOOL dim3 block() { return machine->block; }
EMULATE_TOOL dim3 block_size() { return machine->blockSize; }
EMULATE_TOOL dim3 grid_size() { return machine->gridSize; }
EMULATE_TOOL char *dynamic_shared() { return machine->dynamicShared; }
template <typename To, typename From> EMULATE_TOOL To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of another size");
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}
}  // namespace emulate
#define threadIdx (emulate::thread())
#define blockIdx (emulate::block())
#define blockDim (emulate::block_size())
#define gridDim (emulate::grid_size())
#define warpSize 32
#define DYNAMIC_SHARED(T, name) T *name = (T *)emulate::dynamic_shared()

/* Inlined always: what a call leaves in memory as its result, g++ does not show to the checks. */
#define EMULATE_INLINE static inline __attribute__((always_inline, unused))
#define EMULATE_VECTORS(T, name, bytes)                                                             \
  struct alignas(2 * bytes) name##2 { T x, y; };                                                    \
  struct name##3 { T x, y, z; };                                                                    \
  struct alignas(bytes < 8 ? 4 * bytes : 16) name##4 { T x, y, z, w; };                             \
  EMULATE_INLINE name##2 make_##name##2(T x, T y) { return {x, y}; }                                  \
  EMULATE_INLINE name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                          \
  EMULATE_INLINE name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMULATE_VECTORS(float, float, 4)
EMULATE_VECTORS(int, int, 4)
EMULATE_VECTORS(unsigned, uint, 4)
EMULATE_VECTORS(unsigned short, ushort, 2)
EMULATE_VECTORS(unsigned char, uchar, 1)
#undef EMULATE_VECTORS

EMULATE_TOOL u32 __float_as_uint(float x) { return emulate::bits<u32>(x); }
EMULATE_TOOL float __uint_as_float(u32 x) { return emulate::bits<float>(x); }
EMULATE_TOOL int __float_as_int(float x) { return emulate::bits<int>(x); }
EMULATE_TOOL float __int_as_float(int x) { return emulate::bits<float>(x); }

/* From the C library; g++ knows most of them itself. */
#define EMULATE_MATH(name) extern "C" float name##f(float) noexcept;
EMULATE_MATH(exp) EMULATE_MATH(exp2) EMULATE_MATH(expm1) EMULATE_MATH(log) EMULATE_MATH(log2) EMULATE_MATH(log10)
EMULATE_MATH(log1p) EMULATE_MATH(sqrt) EMULATE_MATH(cbrt) EMULATE_MATH(sin) EMULATE_MATH(cos) EMULATE_MATH(tan)
EMULATE_MATH(asin) EMULATE_MATH(acos) EMULATE_MATH(atan) EMULATE_MATH(sinh) EMULATE_MATH(cosh) EMULATE_MATH(tanh)
EMULATE_MATH(asinh) EMULATE_MATH(acosh) EMULATE_MATH(atanh) EMULATE_MATH(erf) EMULATE_MATH(erfc) EMULATE_MATH(fabs)
EMULATE_MATH(floor) EMULATE_MATH(ceil) EMULATE_MATH(rint) EMULATE_MATH(round) EMULATE_MATH(trunc)
#undef EMULATE_MATH
extern "C" float fmaf(float, float, float) noexcept;
extern "C" float fminf(float, float) noexcept;
extern "C" float fmaxf(float, float) noexcept;
extern "C" float fmodf(float, float) noexcept;
extern "C" float powf(float, float) noexcept;
extern "C" float atan2f(float, float) noexcept;
extern "C" float copysignf(float, float) noexcept;
extern "C" double sqrt(double) noexcept;
extern "C" double fabs(double) noexcept;
extern "C" int abs(int) noexcept;
EMULATE_TOOL float rsqrtf(float x) { return 1 / sqrtf(x); }
EMULATE_TOOL float __expf(float x) { return expf(x); }
EMULATE_TOOL float __exp2f(float x) { return exp2f(x); }
EMULATE_TOOL float __logf(float x) { return logf(x); }
EMULATE_TOOL float __log2f(float x) { return log2f(x); }
EMULATE_TOOL float __sinf(float x) { return sinf(x); }
EMULATE_TOOL float __cosf(float x) { return cosf(x); }
EMULATE_TOOL float __powf(float x, float y) { return powf(x, y); }
EMULATE_TOOL float __fdividef(float x, float y) { return x / y; }
EMULATE_TOOL float __frcp_rn(float x) { return 1 / x; }
EMULATE_TOOL float __frsqrt_rn(float x) { return 1 / sqrtf(x); }
EMULATE_TOOL float __fsqrt_rn(float x) { return sqrtf(x); }
EMULATE_TOOL float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
EMULATE_TOOL float __fmul_rn(float x, float y) { return x * y; }
EMULATE_TOOL float __fadd_rn(float x, float y) { return x + y; }
EMULATE_TOOL float __int2float_rn(int x) { return (float)x; }
EMULATE_TOOL float __uint2float_rn(unsigned x) { return (float)x; }
EMULATE_TOOL float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }
/* A float out of an int's range becomes the nearest int, and a NaN zero, as a GPU's conversion has it. */
EMULATE_TOOL int __float2int_rz(float x) {
  return x != x ? 0 : x >= 2147483648.f ? 0x7fffffff : x < -2147483648.f ? -0x7fffffff - 1 : (int)x;
}
EMULATE_TOOL int __float2int_rn(float x) { return __float2int_rz(rintf(x)); }
EMULATE_TOOL int __float2int_rd(float x) { return __float2int_rz(floorf(x)); }
EMULATE_TOOL u32 __umulhi(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }
EMULATE_TOOL int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
EMULATE_TOOL int __popc(u32 x) { return __builtin_popcount(x); }
EMULATE_TOOL int __clz(int x) { return x ? __builtin_clz((u32)x) : 32; }
EMULATE_TOOL int __ffs(int x) { return __builtin_ffs(x); }
EMULATE_TOOL bool isnan(float x) { return x != x; }
EMULATE_TOOL bool isinf(float x) { return fabsf(x) == __builtin_inff(); }
EMULATE_TOOL bool isfinite(float x) { return fabsf(x) < __builtin_inff(); }
EMULATE_TOOL bool signbit(float x) { return __float_as_uint(x) >> 31; }
#define EMULATE_ORDER(T, less, more)                                  \
  EMULATE_TOOL T min(T a, T b) { return less; }                       \
  EMULATE_TOOL T max(T a, T b) { return more; }
EMULATE_ORDER(int, a < b ? a : b, a > b ? a : b)
EMULATE_ORDER(unsigned, a < b ? a : b, a > b ? a : b)
EMULATE_ORDER(long long, a < b ? a : b, a > b ? a : b)
EMULATE_ORDER(unsigned long long, a < b ? a : b, a > b ? a : b)
EMULATE_ORDER(float, fminf(a, b), fmaxf(a, b))
#undef EMULATE_ORDER
template <typename T> EMULATE_TOOL T __ldg(const T *pointer) { return *pointer; }
