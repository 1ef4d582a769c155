/**
 * What kernels in CUDA C++ begin with: types, functions and operators under names of our own, as a compiler at run time has
 * no header files. A processor that plays a GPU (`EMULATED`) brings what only hardware has.
 */

/** Functions of every kernel. Minimum and maximum of a number and of none are the number, as in all of CUDA. */
const FUNCTIONS = `
typedef unsigned int u32; typedef int i32; typedef float f32; typedef unsigned short u16; typedef unsigned long long u64;
#define HERE static __device__ __forceinline__
HERE f32 least(f32 a, f32 b) { return fminf(a, b); }
HERE u32 least(u32 a, u32 b) { return a < b ? a : b; }
HERE i32 least(i32 a, i32 b) { return a < b ? a : b; }
HERE f32 most(f32 a, f32 b) { return fmaxf(a, b); }
HERE u32 most(u32 a, u32 b) { return a > b ? a : b; }
HERE i32 most(i32 a, i32 b) { return a > b ? a : b; }
HERE f32 magnitude(f32 x) { return fabsf(x); }
HERE i32 magnitude(i32 x) { return x < 0 ? -x : x; }
HERE f32 sign_of(f32 x) { return (f32)((x > 0.0f) - (x < 0.0f)); }
HERE i32 sign_of(i32 x) { return (x > 0) - (x < 0); }
HERE f32 inverse_root(f32 x) { return 1.0f / sqrtf(x); }
HERE i32 integer_of(f32 x) { return x != x ? 0 : x >= 2147483648.0f ? 2147483647 : x <= -2147483648.0f ? (-2147483647 - 1) : (i32)x; }
HERE u32 natural_of(f32 x) { return !(x > 0.0f) ? 0u : x >= 4294967296.0f ? 4294967295u : (u32)x; }
`;

/** A vector's parts are added and multiplied one by one. */
const VECTORS = `
HERE float4 four(f32 x, f32 y, f32 z, f32 w) { return make_float4(x, y, z, w); }
HERE float4 four(f32 x) { return make_float4(x, x, x, x); }
HERE float4 operator+(float4 a, float4 b) { return four(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
HERE float4 operator*(float4 a, float4 b) { return four(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
HERE float4 operator*(f32 a, float4 b) { return four(a) * b; }
HERE float4 operator*(float4 a, f32 b) { return a * four(b); }
HERE float4 operator/(float4 a, f32 b) { return four(a.x / b, a.y / b, a.z / b, a.w / b); }
HERE float4 &operator+=(float4 &a, float4 b) { a = a + b; return a; }
`;

/** Numbers of 16 bits. What is no number stays so; a float16 beyond its range is infinite. */
const HALVES = `
#ifndef EMULATED
HERE f32 bf16_to_float(u16 x) { return __uint_as_float((u32)x << 16); }
HERE u16 float_to_bf16(f32 x) {
  const u32 bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (u16)(bits >> 16 | 0x40u);
  return (u16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
HERE f32 half_to_float(u16 x) { f32 y; asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x)); return y; }
HERE u16 float_to_half(f32 x) { u16 y; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x)); return y; }
#endif
`;

/** The tensor cores, asynchronous copies, and what lies between them and a block's memory. */
export const WARP_TOOLS = `
#ifndef EMULATED
typedef u32 saddr;
#define DYNAMIC_SHARED(T, name) extern __shared__ __align__(128) T name[]
HERE u32 pack_bf16(f32 low, f32 high) { u32 r; asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low)); return r; }
HERE u32 pack_f16(f32 low, f32 high) { u32 r; asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low)); return r; }
HERE saddr shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }
HERE void copy_async16(saddr to, const void *from) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to), "l"(from) : "memory"); }
HERE void copy_async16_or_zero(saddr to, const void *from, bool wanted) {
  const u32 bytes = wanted ? 16u : 0u;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(to), "l"(from), "r"(bytes) : "memory");
}
HERE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> HERE void wait_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }
HERE void load_matrices(u32 (&r)[4], saddr p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(p) : "memory");
}
HERE void load_matrices_transposed(u32 (&r)[4], saddr p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(p) : "memory");
}
#define MMA(name, shape, type) \\
  HERE void name(f32 (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { \\
    asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \\
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1)); \\
  }
MMA(mma_bf16, "m16n8k16", "bf16")
MMA(mma_f16, "m16n8k16", "f16")
#endif
`;

/** Matrices of 16 by 16 that a warp has: factors of 16 bits, sums of 32. Lines of a factor begin at multiples of 16 bytes. */
const MATRICES = `
struct Matrix { u32 r[4]; };
struct Sums { f32 left[4], right[4]; };
HERE Matrix matrix_at(const u16 *lines, u32 pitch, bool is_turned) {
  Matrix m;
  const u32 lane = threadIdx.x & 31u;
  const saddr at = shared_address(lines + (lane & 15u) * pitch + (lane >> 4) * 8u);
  if (is_turned) load_matrices_transposed(m.r, at);
  else load_matrices(m.r, at);
  return m;
}
// In the order of the tensor core: of a left factor by rows its quarters lie down, then across; all others are turned.
HERE Matrix left_by_rows(const u16 *lines, u32 pitch) { return matrix_at(lines, pitch, false); }
HERE Matrix left_by_terms(const u16 *lines, u32 pitch) {
  const Matrix m = matrix_at(lines, pitch, true);
  return {{m.r[0], m.r[2], m.r[1], m.r[3]}};
}
HERE Matrix right_by_terms(const u16 *lines, u32 pitch) { return matrix_at(lines, pitch, true); }
HERE Matrix right_by_columns(const u16 *lines, u32 pitch) {
  const Matrix m = matrix_at(lines, pitch, false);
  return {{m.r[0], m.r[2], m.r[1], m.r[3]}};
}
HERE void store_sums(const Sums &sums, f32 *to, u32 pitch) {
  const u32 lane = threadIdx.x & 31u;
  f32 *own = to + (lane >> 2) * pitch + (lane & 3u) * 2u;
  for (u32 i = 0u; i < 4u; i++) {
    own[(i >> 1) * 8u * pitch + (i & 1u)] = sums.left[i];
    own[(i >> 1) * 8u * pitch + 8u + (i & 1u)] = sums.right[i];
  }
}
#define ADD_PRODUCT(name, mma) \\
  HERE void name(Sums &sums, const Matrix &a, const Matrix &b) { mma(sums.left, a.r, b.r[0], b.r[1]); mma(sums.right, a.r, b.r[2], b.r[3]); }
ADD_PRODUCT(add_product_bf16, mma_bf16)
ADD_PRODUCT(add_product_f16, mma_f16)
`;

/** What a kernel of some lines begins with: no more than it uses, as all of it is compiled with each kernel. */
export function preludeOf(lines: readonly string[], usesHalves: boolean): string {
  const uses = (name: string): boolean => lines.some((line) => line.includes(name));
  const usesMatrices = uses("add_product_");
  return [
    FUNCTIONS,
    ...(uses("float4") || uses("four(") ? [VECTORS] : []),
    ...(usesHalves || usesMatrices ? [HALVES] : []),
    ...(usesMatrices ? [WARP_TOOLS, MATRICES] : []),
  ].join("");
}
/** What a text of numbers of 16 bits begins with that is written by hand. */
export const HALVES_TOOLS = `${FUNCTIONS}${HALVES}`;
