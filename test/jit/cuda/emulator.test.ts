/** CUDA kernels on the CPU: right ones give what plain loops give, and each kind of mistake is found. */
import * as assert from "uvu/assert";
import type { Harness } from "./standin/harness.ts";
import { GEMM, gemm, oneProduct, softmax, tools } from "./standin/kernels.ts";
import { difference, fromBf16, fromHalf, product, toBf16, toHalf, toTf32, wave } from "./standin/numbers.ts";
import { clean, found, runTests, test } from "./standin/suite.ts";

/** As on a device, threads may come in any order. */
const inBothOrders = (body: () => void): void => {
  for (const order of ["up", "down"]) {
    process.env.DITLAB_EMULATE_ORDER = order;
    body();
  }
  delete process.env.DITLAB_EMULATE_ORDER;
};

const ROWS = 5;
const WIDTH = 300;
function softmaxError(c: Harness, source: string, checked: boolean): number {
  const x = wave(ROWS * WIDTH, 12.9898).map((v) => v * 4);
  const want = new Float64Array(x.length);
  for (let r = 0; r < ROWS; r++) {
    const sum = x.subarray(r * WIDTH, (r + 1) * WIDTH).reduce((s, v) => s + Math.exp(v), 0);
    for (let i = r * WIDTH; i < (r + 1) * WIDTH; i++) want[i] = Math.exp(x[i]) / sum;
  }
  const fn = c.kernel(source, "softmax", { checked });
  const y = c.alloc(x.byteLength);
  let worst = 0;
  inBothOrders(() => {
    assert.is(c.launch(fn, [ROWS, 1, 1], [128, 1, 1], 0, c.device(x), y, WIDTH), 0);
    worst = Math.max(worst, difference(c.read(new Float32Array(x.length), y), want));
  });
  return worst;
}
test("a reduction with shared memory and shuffles", (c) => {
  assert.ok(softmaxError(c, softmax(), true) < 1e-6);
  assert.ok(softmaxError(c, softmax(), false) < 1e-6);
  clean(c);
});
test("a barrier that is missing gives wrong numbers in one of the orders", (c) =>
  assert.not(softmaxError(c, softmax({ barrier: false }), false) < 1e-6));
test("a barrier that is missing is a race for shared memory", (c) => {
  softmaxError(c, softmax({ barrier: false }), true);
  found(c, /^softmax: thread .* and thread .* of block .* race for shared memory .* no barrier is between/);
});

const [M, N, K] = [128, 256, 224];
function gemmRun(c: Harness, options: Parameters<typeof gemm>[0], checked = false) {
  const fn = c.kernel(gemm(options), "gemm", { checked, shared: GEMM.shared });
  const [a, b] = [Uint16Array.from(wave(M * K, 1.7), toBf16), Uint16Array.from(wave(K * N, 0.9), toBf16)];
  const want = product(Float32Array.from(a, fromBf16), Float32Array.from(b, fromBf16), [M, N, K]);
  const out = c.alloc(M * N * 4);
  const args = [c.device(a), c.device(b), out, M, N, K];
  const grid = [N / GEMM.tile, M / GEMM.tile, 1] as const;
  assert.is(c.launch(fn, grid, [GEMM.threads, 1, 1], GEMM.shared, ...args), 0);
  const error = difference(c.read(new Float32Array(M * N), out), want);
  return { error, ...c.report().matrices.gemm };
}
test("a product of bf16 with copies under way, ldmatrix and the tensor core", (c) => {
  const { error, conflicts, phases } = gemmRun(c, {});
  assert.ok(error < 1e-6, `${error}`);
  assert.is(conflicts, 0);
  assert.is(phases, 2 * 7 * 2 * 4 * 8 * 4);
  assert.ok(gemmRun(c, {}, true).error < 1e-6);
  clean(c);
});
test("a wait for copies that leaves too many under way gives wrong numbers", (c) =>
  assert.not(gemmRun(c, { leaves: 3 }).error < 1e-3));
test("pieces written to other places than they are read from give wrong numbers", (c) =>
  assert.not(gemmRun(c, { places: "mixed" }).error < 1e-3));
test("pieces that are not turned meet banks more than once", (c) => {
  const { error, conflicts } = gemmRun(c, { places: "plain" });
  assert.ok(error < 1e-6);
  assert.ok(conflicts > 1000);
});
test("a stage that is filled before all have read it is a race", (c) => {
  gemmRun(c, { barrier: false }, true);
  found(c, /^gemm: .* race for shared memory|^gemm: .* while a copy of .* may be on its way/);
});

for (const type of ["bf16", "f16", "tf32"] as const)
  test(`the tensor core's layout of ${type}`, (c) => {
    const k = type === "tf32" ? 8 : 16;
    const [a, b] = [wave(16 * k, 0.7), wave(k * 8, 1.3)];
    const round = {
      bf16: (x: number) => fromBf16(toBf16(x)),
      f16: (x: number) => fromHalf(toHalf(x)),
      tf32: toTf32,
    }[type];
    // The sums begin with 1 to 4, by the place in a lane's registers.
    const want = product(a.map(round), b.map(round), [16, 8, k]).map(
      (x, i) => x + 1 + (i % 2) + (i >= 64 ? 2 : 0),
    );
    const out = c.alloc(16 * 8 * 4);
    const fn = c.kernel(oneProduct(type), "product", { checked: true });
    c.launch(fn, [1, 1, 1], [32, 1, 1], 0, c.device(a), c.device(b), out);
    assert.ok(difference(c.read(new Float32Array(128), out), want) < 1e-6);
    clean(c);
  });

test("conversions, shuffles, votes, atomics, a structure by value and shared memory of a template", (c) => {
  const n = 64;
  const x = wave(n, 2.3).map((v, i) => v * 10 ** ((i % 12) - 6));
  const by = 3;
  const lane = (i: number, j: number) => x[(i & ~31) + j];
  const rows = [
    x.map((v) => fromBf16(toBf16(v))),
    x.map((v) => fromHalf(toHalf(v))),
    x.map(toTf32),
    x.map((_, i) => lane(i, (i % 32) ^ by)),
    x.map((_, i) => ((i % 32) + by < 32 ? x[i + by] : x[i])),
    x.map((_, i) => (i % 32 >= by ? x[i - by] : x[i])),
    x.map((_, i) => lane(i, by)),
    x.map((_, i) => x.subarray(i & ~31, (i & ~31) + 32).filter((v) => v > 0).length),
    x.map((_, i) => Math.fround(x[n - 1 - i] + 0.5)),
  ];
  const pair = new DataView(new ArrayBuffer(8));
  pair.setFloat32(0, 0.5, true);
  pair.setInt32(4, by, true);
  for (const checked of [false, true]) {
    const [out, count] = [c.alloc(rows.length * n * 4), c.device(new Int32Array(1))];
    const fn = c.kernel(tools, "tools", { checked });
    assert.is(c.launch(fn, [1, 1, 1], [n, 1, 1], 0, c.device(x), out, count, pair), 0);
    const got = c.read(new Float32Array(rows.length * n), out);
    for (const [i, row] of rows.entries()) assert.equal(got.slice(i * n, (i + 1) * n), row, `row ${i}`);
    assert.is(c.read(new Int32Array(1), count)[0], n);
  }
  clean(c);
});

/** Runs one small kernel of a pointer to `count` floats on two blocks of 64 threads; gives the error it ends with. */
function small(c: Harness, body: string, { checked = true, count = 256, blocks = 2 } = {}): number {
  const source = `extern "C" __global__ void small(float *p, int n) { const int t = threadIdx.x; ${body} }`;
  const fn = c.kernel(source, "small", { checked });
  assert.is(c.launch(fn, [blocks, 1, 1], [64, 1, 1], 0, c.device(new Float32Array(count)), count), 0);
  return c.synchronize();
}
test("a race for shared memory within a warp", (c) => {
  small(c, "__shared__ float s[64]; s[t] = t; p[blockIdx.x * 64 + t] = s[t ^ 1];");
  found(c, /^small: thread . 0 0 and thread . 0 0 of block 0 0 0 race for shared memory at byte \d+ of/);
});
test("__syncwarp and shuffles order a warp, and bytes of one word are apart", (c) => {
  small(
    c,
    "__shared__ float s[64]; __shared__ u16 h[64]; s[t] = t; h[t] = 1; __syncwarp(); p[blockIdx.x * 64 + t] = s[t ^ 1] + h[t];",
  );
  clean(c);
});
test("a race between blocks", (c) => {
  small(c, "p[t] = blockIdx.x;");
  found(
    c,
    /block 1 0 0, thread 0 0 0 and a thread of another block race for memory at byte 0 of an allocation/,
  );
});
test("a race for global memory in a block, and atomics that are none", (c) => {
  small(c, "if (t < 2) p[blockIdx.x] = t; atomicAdd(p + 9, 1.f);");
  found(c, /thread 0 0 0 and thread 1 0 0 of block 0 0 0 race for memory at byte 0/);
  assert.is(c.report().faults.length, 1);
});
test("shared memory that nothing was written to", (c) => {
  small(c, "__shared__ float s[64]; if (t < 63) s[t] = t; __syncthreads(); p[blockIdx.x * 64 + t] = s[t];");
  found(c, /thread 63 0 0 reads shared memory that nothing was written to, at byte 252 of the static part/);
});
test("a store out of bounds", (c) => {
  assert.is(small(c, "p[blockIdx.x * 64 + t + 200] = 1;"), 700);
  found(c, /^small: block 0 0 0, thread 56 0 0 writes 4 bytes 0 bytes past the end of an allocation of 1024/);
});
test("a store far out of bounds, without the checks", (c) => {
  assert.is(small(c, "p[(t + 1) * 100000] = 1;", { checked: false }), 700);
  found(c, /^small: block 0 0 0, thread 0 0 0 accesses memory it must not, at 0x/);
});
test("a vector at an address that is no multiple of its size", (c) => {
  assert.is(small(c, "*(float4 *)(p + 1 + t) = make_float4(0, 0, 0, 0);"), 716);
  found(c, /writes 16 bytes at an address that is no multiple of it/);
});
test("a barrier that a branch keeps some from", (c) => {
  assert.is(small(c, "if (t < 32) __syncthreads(); else { __syncwarp(); \n __syncthreads(); }"), 719);
  found(c, /waits at the barrier of line 1, thread .* at that of line 2|waits at the barrier of line 2/);
});
test("a shuffle that a branch keeps some from", (c) => {
  assert.is(small(c, "if (t % 2) p[t] = __shfl_xor_sync(0xffffffffu, 1.f, 1);"), 719);
  found(c, /^small: block . 0 0, thread .* waits at a shuffle, which thread .* has ended without/);
});
test("lanes of a warp at different operations", (c) => {
  assert.is(small(c, "if (t % 2) __syncwarp(); else p[t] = __shfl_xor_sync(0xffffffffu, 1.f, 1);"), 719);
  found(c, /comes to __syncwarp, thread .* of its warp to a shuffle/);
});
test("more local variables than a stack holds", (c) => {
  const body =
    "volatile float big[100000]; for (int i = 0; i < n; i++) big[i * 390] = p[i]; p[t] = big[390 * t];";
  assert.is(small(c, body, { checked: false }), 719);
  found(c, /has more local variables than its stack holds/);
});

test("options and errors of the compiler", (c) => {
  const source = 'extern "C" __global__ void k(float *p) { p[0] = missing; }';
  const wrong = c.compile(source);
  assert.is(wrong.status, 6);
  assert.match(wrong.log, /kernel\.cu:1:.*missing/);
  const fine = source.replace("missing", "VALUE");
  assert.is(c.compile(fine, ["--gpu-architecture=sm_90", "-DVALUE=2", "--use_fast_math", "-w"]).status, 0);
  assert.is(c.compile(fine, ["--gpu-architecture=sm_12"]).status, 5);
  assert.match(c.compile(fine, ["--fast"]).log, /unrecognized option --fast/);
  assert.is(c.status("cuModuleLoadData", new BigUint64Array(1), Buffer.alloc(64)), 200);
  const other = c.compile(fine, ["--gpu-architecture=sm_80", "-DVALUE=2"]).code;
  assert.is(c.status("cuModuleLoadData", new BigUint64Array(1), other), 209);
});

runTests();
