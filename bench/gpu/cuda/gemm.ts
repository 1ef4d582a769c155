export interface Kernel {
  readonly threads: number;
  /** Bytes of dynamic shared memory. */
  readonly shared: number;
  readonly source: string;
}

/** What hand-written kernels use of the machine. */
export const WARP_TOOLS = `
typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64; typedef u32 saddr;
#define DYNAMIC_SHARED(T, name) extern __shared__ __align__(128) T name[]
__device__ __forceinline__ u32 pack(float lo, float hi) { u32 r; asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo)); return r; }
__device__ __forceinline__ saddr smem(const void *p) { return (u32)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void copy16(u32 to, const void *from) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to), "l"(from)); }
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;"); }
template <int N> __device__ __forceinline__ void wait() { asm volatile("cp.async.wait_group %0;" :: "n"(N)); }
__device__ __forceinline__ void load4(u32 (&r)[4], u32 p) { asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(p)); }
__device__ __forceinline__ void load4t(u32 (&r)[4], u32 p) { asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(p)); }
__device__ __forceinline__ void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}`;
/**
 * A matrix product on tensor cores as CUDA source without any header: bf16 in, fp32 sums, bf16 or fp32 out.
 * C[M,N] = A[M,K] B[K,N], row-major; a block of BM x BN, K in pieces of BK, `stages` of them under way (cp.async),
 * fragments by ldmatrix, mma.sync m16n8k16. M, N, K must be multiples of the tile here (the generator would add guards).
 */
export const gemm = ({
  BM = 128,
  BN = 128,
  BK = 32,
  WM = 64,
  WN = 64,
  stages = 4,
  out = "bf16",
  epilogue = "x",
} = {}): Kernel => {
  const warps = (BM / WM) * (BN / WN);
  const threads = warps * 32;
  return {
    threads,
    shared: stages * (BM * BK + BK * BN) * 2,
    source: `
#define BM ${BM}
#define BN ${BN}
#define BK ${BK}
#define STAGES ${stages}
#define THREADS ${threads}
${WARP_TOOLS}
// Rows of eight 16-byte pieces (BN) or four (BK): the piece's place is turned by the row, so that ldmatrix meets no bank twice.
__device__ __forceinline__ int placeA(int row, int piece) { return (row * (BK / 8) + (piece ^ ((row >> 1) & (BK / 8 - 1)))) * 8; }
__device__ __forceinline__ int placeB(int row, int piece) { return (row * (BN / 8) + (piece ^ (row & 7))) * 8; }
extern "C" __global__ void __launch_bounds__(THREADS) gemm(const u16 *__restrict__ A, const u16 *__restrict__ B, ${out === "bf16" ? "u16" : "float"} *__restrict__ C, int M, int N, int K) {
  DYNAMIC_SHARED(u16, shared);
  u16 *sA = shared, *sB = shared + STAGES * BM * BK;
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
  const int wm = (warp / ${BN / WN}) * ${WM}, wn = (warp % ${BN / WN}) * ${WN};
  const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
  auto fetch = [&](int stage, int k0) {
    #pragma unroll
    for (int i = t; i < BM * BK / 8; i += THREADS) { int r = i / (BK / 8), p = i % (BK / 8); copy16(smem(sA + stage * BM * BK + placeA(r, p)), A + (u64)(m0 + r) * K + k0 + p * 8); }
    #pragma unroll
    for (int i = t; i < BK * BN / 8; i += THREADS) { int r = i / (BN / 8), p = i % (BN / 8); copy16(smem(sB + stage * BK * BN + placeB(r, p)), B + (u64)(k0 + r) * N + n0 + p * 8); }
  };
  float acc[${WM / 16}][${WN / 8}][4] = {};
  const int steps = K / BK;
  #pragma unroll
  for (int s = 0; s < STAGES - 1; s++) { if (s < steps) fetch(s, s * BK); commit(); }
  for (int step = 0; step < steps; step++) {
    wait<STAGES - 2>();
    __syncthreads();
    const int ahead = step + STAGES - 1;
    if (ahead < steps) fetch(ahead % STAGES, ahead * BK);
    commit();
    const u16 *a = sA + (step % STAGES) * BM * BK, *b = sB + (step % STAGES) * BK * BN;
    #pragma unroll
    for (int k = 0; k < BK; k += 16) {
      u32 fa[${WM / 16}][4], fb[${WN / 16}][4];
      #pragma unroll
      for (int i = 0; i < ${WM / 16}; i++) load4(fa[i], smem(a + placeA(wm + i * 16 + (lane & 15), k / 8 + (lane >> 4))));
      #pragma unroll
      for (int j = 0; j < ${WN / 16}; j++) load4t(fb[j], smem(b + placeB(k + (lane & 15), (wn + j * 16) / 8 + (lane >> 4))));
      #pragma unroll
      for (int i = 0; i < ${WM / 16}; i++)
        #pragma unroll
        for (int j = 0; j < ${WN / 8}; j++) mma(acc[i][j], fa[i], fb[j >> 1][(j & 1) * 2], fb[j >> 1][(j & 1) * 2 + 1]);
    }
  }
  auto f = [](float x) { return ${epilogue}; };
  #pragma unroll
  for (int i = 0; i < ${WM / 16}; i++)
    #pragma unroll
    for (int j = 0; j < ${WN / 8}; j++) {
      const int r = m0 + wm + i * 16 + (lane >> 2), c = n0 + wn + j * 8 + (lane & 3) * 2;
      ${
        out === "bf16"
          ? "*(u32 *)(C + (u64)r * N + c) = pack(f(acc[i][j][0]), f(acc[i][j][1])); *(u32 *)(C + (u64)(r + 8) * N + c) = pack(f(acc[i][j][2]), f(acc[i][j][3]));"
          : "C[(u64)r * N + c] = f(acc[i][j][0]); C[(u64)r * N + c + 1] = f(acc[i][j][1]); C[(u64)(r + 8) * N + c] = f(acc[i][j][2]); C[(u64)(r + 8) * N + c + 1] = f(acc[i][j][3]);"
      }
    }
}
`,
  };
};
