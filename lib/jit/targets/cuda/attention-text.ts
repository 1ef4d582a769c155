/**
 * Attention and its gradients in the tensor cores, without an array of scores: blocks of four warps own 64 rows of a head,
 * 16 a warp, and meet all rows of the other side in tiles that are copied while the ones before are multiplied. Factors
 * have 16 bits, scores, weights and sums 32.
 */
import { WARP_TOOLS } from "./prelude.ts";

export type AttentionPart = "forward" | "queries" | "keys";

/** Rows that a block owns. */
export const OWN = 64;
export const THREADS = 128;

/** How heads of a size lie in a block's memory. */
function tilesOf(part: AttentionPart, size: number) {
  // The tensor cores multiply 16 numbers at a time; what is missing is 0. An odd number of pieces of 16 bytes a row, so
  // that eight rows which are read at once lie in different banks.
  const padded = Math.ceil(size / 16) * 16;
  const pitch = padded + 8;
  // Sums of a large head leave no registers for the scores of many pairs.
  const met = size <= 80 || part === "forward" ? 64 : 32;
  const tiles = part === "forward" ? 1 : 2;
  return { padded, pitch, met, rows: tiles * OWN + 2 * 2 * met };
}

/** Bytes of a block's memory: the rows it owns, and two tiles of two kinds, of which one is on its way. */
export const sharedBytes = (part: AttentionPart, size: number): number => {
  const { pitch, rows, met } = tilesOf(part, size);
  return rows * pitch * 2 + (part === "keys" ? 2 * 2 * met * 4 : 0);
};

/** What all three begin with: names of numbers, and what copies rows. */
function tools(part: AttentionPart, size: number, format: "float16" | "bfloat16"): string {
  const { padded, pitch, met } = tilesOf(part, size);
  const suffix = format === "float16" ? "f16" : "bf16";
  return `${WARP_TOOLS}
#define SIZE ${size}
#define PADDED ${padded}
#define PITCH ${pitch}
#define MET ${met}
#define PIECES ${size / 8}
#define pack pack_${suffix}
#define mma mma_${suffix}
#define LOG2_E 1.4426950408889634f
struct Rows { const u16 *from; u32 stride; u32 count; };
// Copies rows of a head into a block's memory; beyond the last one they are 0.
HERE void fetch(u16 *to, Rows rows, u32 first, u32 count) {
  for (u32 i = threadIdx.x; i < count * PIECES; i += ${THREADS}u) {
    const u32 row = i / PIECES, piece = i % PIECES, at = first + row;
    const bool is_there = at < rows.count;
    copy_async16_or_zero(shared_address(to + row * PITCH + piece * 8u), rows.from + (u64)(is_there ? at : 0u) * rows.stride + piece * 8u, is_there);
  }
}
HERE void clear_padding(u16 *rows, u32 count) {
  for (u32 i = threadIdx.x; i < count * (PADDED - SIZE); i += ${THREADS}u) rows[i / (PADDED - SIZE) * PITCH + SIZE + i % (PADDED - SIZE)] = 0;
}
// 16 rows of a warp as a left factor, 16 numbers of them.
HERE void left(u32 (&r)[4], const u16 *rows, u32 k) {
  const u32 lane = threadIdx.x & 31u;
  load_matrices(r, shared_address(rows + (lane & 15u) * PITCH + k * 16u + (lane >> 4) * 8u));
}
// scores += rows * tile^T: of each pair of rows the sum over their numbers.
template <int N> HERE void dots(f32 (&scores)[N][4], const u16 *rows, const u16 *tile) {
  const u32 lane = threadIdx.x & 31u;
  #pragma unroll
  for (int k = 0; k < PADDED / 16; k++) {
    u32 a[4];
    left(a, rows, k);
    #pragma unroll
    for (int j = 0; j < N / 2; j++) {
      u32 b[4];
      load_matrices(b, shared_address(tile + (j * 16 + (lane & 7u) + (lane >> 4) * 8u) * PITCH + k * 16 + (lane >> 3 & 1u) * 8u));
      mma(scores[2 * j], a, b[0], b[1]);
      mma(scores[2 * j + 1], a, b[2], b[3]);
    }
  }
}
// sums += weights * tile.
template <int N> HERE void add_weighted(f32 (&sums)[PADDED / 8][4], const f32 (&weights)[N][4], const u16 *tile) {
  const u32 lane = threadIdx.x & 31u;
  #pragma unroll
  for (int i = 0; i < N / 2; i++) {
    const u32 a[4] = {pack(weights[2 * i][0], weights[2 * i][1]), pack(weights[2 * i][2], weights[2 * i][3]), pack(weights[2 * i + 1][0], weights[2 * i + 1][1]), pack(weights[2 * i + 1][2], weights[2 * i + 1][3])};
    #pragma unroll
    for (int n = 0; n < PADDED / 16; n++) {
      u32 b[4];
      load_matrices_transposed(b, shared_address(tile + (i * 16 + (lane & 15u)) * PITCH + n * 16 + (lane >> 4) * 8u));
      mma(sums[2 * n], a, b[0], b[1]);
      mma(sums[2 * n + 1], a, b[2], b[3]);
    }
  }
}
HERE f32 across_row(f32 x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}
// Two numbers of a row at a time.
HERE void store_row(u16 *to, const f32 (&sums)[PADDED / 8][4], int r, f32 by) {
  #pragma unroll
  for (int n = 0; n < SIZE / 8; n++) *(u32 *)(to + n * 8 + (threadIdx.x & 3u) * 2u) = pack(sums[n][2 * r] * by, sums[n][2 * r + 1] * by);
}
`;
}

/** The first tiles of what is met, rows of two kinds, are on their way; */
const begin = (a: string, b: string): string => `  fetch(met[0], ${a}, 0, MET);
  fetch(met[0] + MET * PITCH, ${b}, 0, MET);
  commit_copies();
`;
/** and as a turn begins they are there, and the next ones are on theirs. */
const meet = (a: string, b: string): string => `    wait_copies<0>();
    __syncthreads();
    if (first + MET < ${a}.count) {
      fetch(met[turn ^ 1u], ${a}, first + MET, MET);
      fetch(met[turn ^ 1u] + MET * PITCH, ${b}, first + MET, MET);
    }
    commit_copies();
`;

/** Each warp keeps the most, the sum of weights and the weighted sums of its rows, and scales them as the most rises. */
const FORWARD = `
  u16 *own = shared, *met[2] = {own + ${OWN} * PITCH, own + (${OWN} + 2 * MET) * PITCH};
  if (PADDED > SIZE) clear_padding(shared, ${OWN} + 4 * MET);
  fetch(own, q, row0, ${OWN});
${begin("k", "v")}  f32 sums[PADDED / 8][4] = {}, top[2] = {-1e30f, -1e30f}, total[2] = {0.0f, 0.0f};
  for (u32 first = 0, turn = 0; first < k.count; first += MET, turn ^= 1u) {
${meet("k", "v")}    f32 scores[MET / 8][4] = {};
    dots(scores, own + warp * 16 * PITCH, met[turn]);
    #pragma unroll
    for (int r = 0; r < 2; r++) {
      f32 highest = top[r];
      #pragma unroll
      for (int j = 0; j < MET / 8; j++)
        #pragma unroll
        for (int e = 0; e < 2; e++) {
          f32 &x = scores[j][2 * r + e];
          x = first + j * 8 + (lane & 3u) * 2u + e < k.count ? x * (scale * LOG2_E) : -1e30f;
          highest = fmaxf(highest, x);
        }
      highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 1));
      highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, 2));
      const f32 fade = exp2f(top[r] - highest);
      f32 part = 0.0f;
      #pragma unroll
      for (int j = 0; j < MET / 8; j++)
        #pragma unroll
        for (int e = 0; e < 2; e++) part += scores[j][2 * r + e] = exp2f(scores[j][2 * r + e] - highest);
      total[r] = total[r] * fade + part;
      top[r] = highest;
      #pragma unroll
      for (int n = 0; n < PADDED / 8; n++) {
        sums[n][2 * r] *= fade;
        sums[n][2 * r + 1] *= fade;
      }
    }
    add_weighted(sums, scores, met[turn] + MET * PITCH);
  }
  #pragma unroll
  for (int r = 0; r < 2; r++) {
    const u32 row = row0 + warp * 16 + (lane >> 2) + r * 8;
    const f32 all = across_row(total[r]);
    if (row < q.count) {
      store_row(out + (u64)row * out_stride, sums, r, 1.0f / all);
      if (log_sums && (lane & 3u) == 0) log_sums[row] = top[r] * 0.6931471805599453f + logf(all);
    }
  }
`;

/** dq = ds k scale, with ds = p (dy v^T - D) and D = sum over the width of dy out. */
const QUERIES = `
  u16 *own = shared, *slope = own + ${OWN} * PITCH, *met[2] = {own + ${2 * OWN} * PITCH, own + (${2 * OWN} + 2 * MET) * PITCH};
  if (PADDED > SIZE) clear_padding(shared, ${2 * OWN} + 4 * MET);
  fetch(own, q, row0, ${OWN});
  fetch(slope, dy, row0, ${OWN});
${begin("k", "v")}  f32 log_sum[2] = {}, row_sum[2] = {};
  #pragma unroll
  for (int r = 0; r < 2; r++) {
    const u32 row = row0 + warp * 16 + (lane >> 2) + r * 8;
    f32 part = 0.0f;
    if (row < q.count) {
      const u16 *a = dy.from + (u64)row * dy.stride, *b = out.from + (u64)row * out.stride;
      for (u32 e = (lane & 3u) * 2u; e < SIZE; e += 8u) part += WIDE(a[e]) * WIDE(b[e]) + WIDE(a[e + 1u]) * WIDE(b[e + 1u]);
      log_sum[r] = log_sums[row] * LOG2_E;
    }
    row_sum[r] = across_row(part);
    if (row < q.count && (lane & 3u) == 0) row_sums[row] = row_sum[r];
  }
  f32 sums[PADDED / 8][4] = {};
  for (u32 first = 0, turn = 0; first < k.count; first += MET, turn ^= 1u) {
${meet("k", "v")}    f32 scores[MET / 8][4] = {}, slopes[MET / 8][4] = {};
    dots(scores, own + warp * 16 * PITCH, met[turn]);
    dots(slopes, slope + warp * 16 * PITCH, met[turn] + MET * PITCH);
    #pragma unroll
    for (int j = 0; j < MET / 8; j++)
      #pragma unroll
      for (int i = 0; i < 4; i++) {
        const bool is_there = first + j * 8 + (lane & 3u) * 2u + (i & 1) < k.count;
        const f32 weight = is_there ? exp2f(scores[j][i] * (scale * LOG2_E) - log_sum[i >> 1]) : 0.0f;
        scores[j][i] = weight * (slopes[j][i] - row_sum[i >> 1]);
      }
    add_weighted(sums, scores, met[turn]);
  }
  #pragma unroll
  for (int r = 0; r < 2; r++) {
    const u32 row = row0 + warp * 16 + (lane >> 2) + r * 8;
    if (row < q.count) store_row(dq + (u64)row * dq_stride, sums, r, scale);
  }
`;

/** From the keys' side: dk = ds^T q scale, dv = p^T dy. */
const KEYS = `
  u16 *own = shared, *values = own + ${OWN} * PITCH, *met[2] = {own + ${2 * OWN} * PITCH, own + (${2 * OWN} + 2 * MET) * PITCH};
  f32 *told = (f32 *)(shared + (${2 * OWN} + 4 * MET) * PITCH);
  if (PADDED > SIZE) clear_padding(shared, ${2 * OWN} + 4 * MET);
  fetch(own, k, row0, ${OWN});
  fetch(values, v, row0, ${OWN});
${begin("q", "dy")}  f32 dk_sums[PADDED / 8][4] = {}, dv_sums[PADDED / 8][4] = {};
  for (u32 first = 0, turn = 0; first < q.count; first += MET, turn ^= 1u) {
    f32 *log_sum = told + turn * 2 * MET, *row_sum = log_sum + MET;
    for (u32 i = threadIdx.x; i < MET; i += ${THREADS}u) {
      const bool is_there = first + i < q.count;
      log_sum[i] = is_there ? log_sums[first + i] * LOG2_E : 0.0f;
      row_sum[i] = is_there ? row_sums[first + i] : 0.0f;
    }
${meet("q", "dy")}    f32 scores[MET / 8][4] = {}, slopes[MET / 8][4] = {};
    dots(scores, own + warp * 16 * PITCH, met[turn]);
    dots(slopes, values + warp * 16 * PITCH, met[turn] + MET * PITCH);
    #pragma unroll
    for (int j = 0; j < MET / 8; j++)
      #pragma unroll
      for (int i = 0; i < 4; i++) {
        const u32 other = j * 8 + (lane & 3u) * 2u + (i & 1);
        const bool is_there = first + other < q.count;
        scores[j][i] = is_there ? exp2f(scores[j][i] * (scale * LOG2_E) - log_sum[other]) : 0.0f;
        slopes[j][i] = scores[j][i] * (slopes[j][i] - row_sum[other]);
      }
    add_weighted(dk_sums, slopes, met[turn]);
    add_weighted(dv_sums, scores, met[turn] + MET * PITCH);
  }
  #pragma unroll
  for (int r = 0; r < 2; r++) {
    const u32 row = row0 + warp * 16 + (lane >> 2) + r * 8;
    if (row < k.count) {
      store_row(dk + (u64)row * dk_stride, dk_sums, r, scale);
      store_row(dv + (u64)row * dv_stride, dv_sums, r, 1.0f);
    }
  }
`;

const BODIES: Readonly<Record<AttentionPart, string>> = { forward: FORWARD, queries: QUERIES, keys: KEYS };

/**
 * A kernel's text. `declarations` name what the body reads and writes, for the head of block (x, `head`, `batch`): `Rows`
 * and pointers at their first row.
 */
export const attentionText = (
  part: AttentionPart,
  size: number,
  format: "float16" | "bfloat16",
  signature: string,
  declarations: readonly string[],
): string => `${tools(part, size, format)}
#define WIDE(x) ${format === "float16" ? "half_to_float" : "bf16_to_float"}(x)
extern "C" __global__ void __launch_bounds__(${THREADS}) ${signature} {
  DYNAMIC_SHARED(u16, shared);
  const u32 lane = threadIdx.x & 31u, warp = threadIdx.x >> 5, row0 = blockIdx.x * ${OWN}u, head = blockIdx.y, batch = blockIdx.z;
  const f32 scale = ${(1 / Math.sqrt(size)).toPrecision(9)}f;
${declarations.map((line) => `  ${line}`).join("\n")}
${BODIES[part]}}
`;
