/** Kernels of the tests. Their text is what NVRTC compiles for a GPU; what needs PTX is of the emulator where there is none. */

const TOOLS = `
#ifndef EMULATED
typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64; typedef u32 saddr;
#define DYNAMIC_SHARED(T, name) extern __shared__ __align__(128) T name[]
#define TOOL __device__ __forceinline__
#define MATRIX "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
TOOL u32 pack_bf16(float low, float high) { u32 r; asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low)); return r; }
TOOL u32 pack_f16(float low, float high) { u32 r; asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low)); return r; }
TOOL u32 to_tf32(float x) { u32 r; asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x)); return r; }
TOOL float bf16_to_float(u16 x) { return __uint_as_float((u32)x << 16); }
TOOL u16 float_to_bf16(float x) { return (u16)pack_bf16(x, 0); }
TOOL float half_to_float(u16 x) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x)); return f; }
TOOL u16 float_to_half(float x) { u16 h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x)); return h; }
TOOL saddr shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }
TOOL void copy_async16(saddr to, const void *from) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to), "l"(from)); }
TOOL void copy_async16_or_zero(saddr to, const void *from, bool wanted) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(to), "l"(from), "r"(wanted ? 16 : 0)); }
TOOL void commit_copies() { asm volatile("cp.async.commit_group;"); }
template <int N> TOOL void wait_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(N)); }
TOOL void load_matrices(u32 (&r)[4], saddr p) { asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : MATRIX : "r"(p)); }
TOOL void load_matrices_transposed(u32 (&r)[4], saddr p) { asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : MATRIX : "r"(p)); }
#define MMA(name, shape) TOOL void name(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) { \\
  asm volatile("mma.sync.aligned." shape " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \\
    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1)); }
MMA(mma_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MMA(mma_f16, "m16n8k16.row.col.f32.f16.f16.f32")
MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
#endif
`;

/** Softmax of rows, one block a row: shared memory and shuffles. */
export const softmax = ({ barrier = true } = {}): string => `
extern "C" __global__ void __launch_bounds__(128) softmax(const float *__restrict__ x, float *__restrict__ y, int width) {
  __shared__ float part[32];
  const int t = threadIdx.x, row = blockIdx.x;
  x += (long long)row * width; y += (long long)row * width;
  float most = -3.4e38f;
  for (int i = t; i < width; i += blockDim.x) most = fmaxf(most, x[i]);
  for (int m = 16; m; m >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, m));
  if ((t & 31) == 0) part[t >> 5] = most;
  __syncthreads();
  most = part[0];
  for (int w = 1; w < (int)(blockDim.x >> 5); w++) most = fmaxf(most, part[w]);
  ${barrier ? "__syncthreads();" : ""}
  float sum = 0;
  for (int i = t; i < width; i += blockDim.x) sum += __expf(x[i] - most);
  for (int m = 16; m; m >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, m);
  if ((t & 31) == 0) part[t >> 5] = sum;
  __syncthreads();
  sum = 0;
  for (int w = 0; w < (int)(blockDim.x >> 5); w++) sum += part[w];
  for (int i = t; i < width; i += blockDim.x) y[i] = __expf(x[i] - most) / sum;
}`;

export const GEMM = { threads: 128, tile: 128, shared: 4 * (128 * 32 + 32 * 128) * 2 };
/**
 * C[M,N] = A[M,K] B[K,N] of bf16 in tiles of 128 x 128 x 32, four stages of copies under way. What a test breaks: groups
 * that a wait leaves under way (2 is right), the barrier of a step, and the places of a row's pieces in shared memory.
 */
export const gemm = ({
  leaves = 2,
  barrier = true,
  places = "turned" as "turned" | "plain" | "mixed",
} = {}): string => {
  const turned = (pieces: string, by: string) => `(piece ^ (${by} & (${pieces} - 1)))`;
  const place = (kind: boolean, pieces: string, by: string) => (kind ? turned(pieces, by) : "piece");
  const [writes, reads] = [places !== "plain", places === "turned"];
  return `${TOOLS}
#define BM 128
#define BN 128
#define BK 32
#define STAGES 4
#define THREADS 128
__device__ __forceinline__ int writeA(int row, int piece) { return (row * (BK / 8) + ${place(writes, "BK / 8", "(row >> 1)")}) * 8; }
__device__ __forceinline__ int writeB(int row, int piece) { return (row * (BN / 8) + ${place(writes, "8", "row")}) * 8; }
__device__ __forceinline__ int readA(int row, int piece) { return (row * (BK / 8) + ${place(reads, "BK / 8", "(row >> 1)")}) * 8; }
__device__ __forceinline__ int readB(int row, int piece) { return (row * (BN / 8) + ${place(reads, "8", "row")}) * 8; }
extern "C" __global__ void __launch_bounds__(THREADS) gemm(const u16 *__restrict__ A, const u16 *__restrict__ B, float *__restrict__ C, int M, int N, int K) {
  DYNAMIC_SHARED(u16, shared);
  u16 *sA = shared, *sB = shared + STAGES * BM * BK;
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
  const int wm = (warp / 2) * 64, wn = (warp % 2) * 64;
  const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
  auto fetch = [&](int stage, int k0) {
    for (int i = t; i < BM * BK / 8; i += THREADS) { int r = i / (BK / 8), p = i % (BK / 8); copy_async16(shared_address(sA + stage * BM * BK + writeA(r, p)), A + (u64)(m0 + r) * K + k0 + p * 8); }
    for (int i = t; i < BK * BN / 8; i += THREADS) { int r = i / (BN / 8), p = i % (BN / 8); copy_async16_or_zero(shared_address(sB + stage * BK * BN + writeB(r, p)), B + (u64)(k0 + r) * N + n0 + p * 8, true); }
  };
  float acc[4][8][4] = {};
  const int steps = K / BK;
  for (int s = 0; s < STAGES - 1; s++) { if (s < steps) fetch(s, s * BK); commit_copies(); }
  for (int step = 0; step < steps; step++) {
    wait_copies<${leaves}>();
    ${barrier ? "__syncthreads();" : ""}
    const int ahead = step + STAGES - 1;
    if (ahead < steps) fetch(ahead % STAGES, ahead * BK);
    commit_copies();
    const u16 *a = sA + (step % STAGES) * BM * BK, *b = sB + (step % STAGES) * BK * BN;
    #pragma unroll
    for (int k = 0; k < BK; k += 16) {
      u32 fa[4][4], fb[4][4];
      for (int i = 0; i < 4; i++) load_matrices(fa[i], shared_address(a + readA(wm + i * 16 + (lane & 15), k / 8 + (lane >> 4))));
      for (int j = 0; j < 4; j++) load_matrices_transposed(fb[j], shared_address(b + readB(k + (lane & 15), (wn + j * 16) / 8 + (lane >> 4))));
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++) mma_bf16(acc[i][j], fa[i], fb[j >> 1][(j & 1) * 2], fb[j >> 1][(j & 1) * 2 + 1]);
    }
  }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 8; j++) {
      const int r = m0 + wm + i * 16 + (lane >> 2), c = n0 + wn + j * 8 + (lane & 3) * 2;
      *(float2 *)(C + (u64)r * N + c) = make_float2(acc[i][j][0], acc[i][j][1]);
      *(float2 *)(C + (u64)(r + 8) * N + c) = make_float2(acc[i][j][2], acc[i][j][3]);
    }
}`;
};

/** One warp: c[16,8] = a[16,K] b[K,8], its registers filled as the PTX manual lays them out. */
export const oneProduct = (type: "bf16" | "f16" | "tf32"): string => {
  const wide = type === "tf32" ? 8 : 16;
  const load = (row: string, k: string, at: (row: string, k: string) => string) =>
    type === "tf32"
      ? `to_tf32(${at(row, k)})`
      : `pack_${type}(${at(row, `2 * (${k})`)}, ${at(row, `2 * (${k}) + 1`)})`;
  const a = (row: string, k: string) => load(row, k, (r, c) => `a[(${r}) * ${wide} + ${c}]`);
  const b = (k: string) => load("group", k, (column, r) => `b[(${r}) * 8 + ${column}]`);
  return `${TOOLS}
extern "C" __global__ void product(const float *a, const float *b, float *c) {
  const int lane = threadIdx.x, group = lane >> 2, t = lane & 3;
  u32 fa[4] = {${a("group", "t")}, ${a("group + 8", "t")}, ${a("group", "t + 4")}, ${a("group + 8", "t + 4")}};
  float sums[4] = {1, 2, 3, 4};
  mma_${type}(sums, fa, ${b("t")}, ${b("t + 4")});
  for (int i = 0; i < 4; i++) c[(group + (i >> 1) * 8) * 8 + t * 2 + (i & 1)] = sums[i];
}`;
};

/** Conversions, shuffles, votes and atomics, each thread a number of its own in every row of the result. */
export const tools = `${TOOLS}
struct Pair { float add; int by; };
template <int N> __device__ __forceinline__ float turned(float x) {
  __shared__ float all[N];
  all[threadIdx.x] = x;
  __syncthreads();
  return all[N - 1 - threadIdx.x];
}
extern "C" __global__ void tools(const float *x, float *out, int *count, Pair pair) {
  const int t = threadIdx.x, n = blockDim.x;
  const float v = x[t];
  const unsigned all = 0xffffffffu;
  out[0 * n + t] = bf16_to_float(float_to_bf16(v));
  out[1 * n + t] = half_to_float(float_to_half(v));
  out[2 * n + t] = __uint_as_float(to_tf32(v));
  out[3 * n + t] = __shfl_xor_sync(all, v, pair.by);
  out[4 * n + t] = __shfl_down_sync(all, v, pair.by);
  out[5 * n + t] = __shfl_up_sync(all, v, pair.by);
  out[6 * n + t] = __shfl_sync(all, v, pair.by);
  out[7 * n + t] = (float)__popc(__ballot_sync(all, v > 0));
  out[8 * n + t] = turned<64>(v) + pair.add;
  atomicAdd(count, 1);
}`;
