/**
 * Attention in heads that keeps no scores: bf16 q, k, v at any strides (so out of one [B,T,3,H,d] buffer), fp32 softmax,
 * any number of tokens, head sizes that are multiples of 8 (SiT-XL's is 72). 64 queries a block, 16 a warp.
 */
import { type Kernel, WARP_TOOLS } from "./gemm.ts";
export const attention = (d: number): Kernel => {
  const DP = Math.ceil(d / 16) * 16,
    RS = DP + 8; // an odd number of 16-byte pieces a row: no bank conflicts
  return {
    threads: 128,
    shared: 3 * 64 * RS * 2,
    source: `${WARP_TOOLS}
#define NEGATIVE -1e30f
extern "C" __global__ void __launch_bounds__(128) attention(const u16 *__restrict__ q, const u16 *__restrict__ k, const u16 *__restrict__ v,
    u16 *__restrict__ o, float *__restrict__ lse, int T, int stride, int strideO, float scale) {
  DYNAMIC_SHARED(u16, sQ);
  u16 *sK = sQ + 64 * ${RS}, *sV = sK + 64 * ${RS};
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, h = blockIdx.y, q0 = blockIdx.x * 64;
  const u64 base = (u64)blockIdx.z * T * stride + h * ${d};
  auto fetch = [&](u16 *to, const u16 *from, int first) {
    for (int i = t; i < 64 * ${d / 8}; i += 128) { int r = i / ${d / 8}, p = i % ${d / 8}, row = first + r < T ? first + r : T - 1; copy16(smem(to + r * ${RS} + p * 8), from + base + (u64)row * stride + p * 8); }
  };
  ${DP > d ? `for (int i = t; i < 192 * ${DP - d}; i += 128) sQ[i / ${DP - d} * ${RS} + ${d} + i % ${DP - d}] = 0;` : ""}
  fetch(sQ, q, q0); commit();
  u32 fq[${DP / 16}][4];
  float acc[${DP / 8}][4] = {}, most[2] = {NEGATIVE, NEGATIVE}, sum[2] = {0, 0};
  for (int k0 = 0; k0 < T; k0 += 64) {
    fetch(sK, k, k0); fetch(sV, v, k0); commit();
    wait<0>();
    __syncthreads();
    if (k0 == 0)
      #pragma unroll
      for (int i = 0; i < ${DP / 16}; i++) load4(fq[i], smem(sQ + (warp * 16 + (lane & 15)) * ${RS} + i * 16 + (lane >> 4) * 8));
    float s[8][4] = {};
    #pragma unroll
    for (int i = 0; i < ${DP / 16}; i++)
      #pragma unroll
      for (int j = 0; j < 4; j++) {
        u32 b[4];
        load4(b, smem(sK + (j * 16 + (lane & 7) + (lane >> 4) * 8) * ${RS} + i * 16 + ((lane >> 3) & 1) * 8));
        mma(s[2 * j], fq[i], b[0], b[1]); mma(s[2 * j + 1], fq[i], b[2], b[3]);
      }
    #pragma unroll
    for (int r = 0; r < 2; r++) {
      float m = most[r];
      #pragma unroll
      for (int j = 0; j < 8; j++)
        #pragma unroll
        for (int e = 0; e < 2; e++) {
          float &x = s[j][2 * r + e];
          x = k0 + j * 8 + (lane & 3) * 2 + e < T ? x * scale * 1.44269504f : NEGATIVE;
          m = fmaxf(m, x);
        }
      m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, 1)); m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, 2));
      const float f = exp2f(most[r] - m);
      float part = 0;
      #pragma unroll
      for (int j = 0; j < 8; j++)
        #pragma unroll
        for (int e = 0; e < 2; e++) part += s[j][2 * r + e] = exp2f(s[j][2 * r + e] - m);
      sum[r] = sum[r] * f + part; most[r] = m;
      #pragma unroll
      for (int n = 0; n < ${DP / 8}; n++) { acc[n][2 * r] *= f; acc[n][2 * r + 1] *= f; }
    }
    #pragma unroll
    for (int i = 0; i < 4; i++) {
      const u32 a[4] = {pack(s[2 * i][0], s[2 * i][1]), pack(s[2 * i][2], s[2 * i][3]), pack(s[2 * i + 1][0], s[2 * i + 1][1]), pack(s[2 * i + 1][2], s[2 * i + 1][3])};
      #pragma unroll
      for (int n = 0; n < ${DP / 16}; n++) {
        u32 b[4];
        load4t(b, smem(sV + (i * 16 + (lane & 15)) * ${RS} + n * 16 + (lane >> 4) * 8));
        mma(acc[2 * n], a, b[0], b[1]); mma(acc[2 * n + 1], a, b[2], b[3]);
      }
    }
    __syncthreads();
  }
  #pragma unroll
  for (int r = 0; r < 2; r++) {
    float total = sum[r];
    total += __shfl_xor_sync(0xffffffffu, total, 1); total += __shfl_xor_sync(0xffffffffu, total, 2);
    const int row = q0 + warp * 16 + (lane >> 2) + r * 8;
    if (row < T) {
      #pragma unroll
      for (int n = 0; n < ${d / 8}; n++) *(u32 *)(o + ((u64)blockIdx.z * T + row) * strideO + h * ${d} + n * 8 + (lane & 3) * 2) = pack(acc[n][2 * r] / total, acc[n][2 * r + 1] / total);
      if ((lane & 3) == 0) lse[((u64)blockIdx.z * gridDim.y + h) * T + row] = most[r] * 0.69314718f + logf(total);
    }
  }
}
`,
  };
};
