/** Our own kernels on the card: compiled for it, checked against double precision, timed. */
import { attempt, relativeError, report } from "../report.ts";
import { attention } from "./attention.ts";
import { type Driver, openDriver, pack } from "./driver.ts";
import { gemm } from "./gemm.ts";
import { entry, filler, places, read } from "./numbers.ts";
import { type Compiler, openCompiler } from "./nvrtc.ts";

const PART = "kernels";
type Fill = ReturnType<typeof filler>;

function product(cuda: Driver, compiler: Compiler, fill: Fill, [m, n, k]: number[], stages: number) {
  const start = performance.now();
  const kernel = gemm({ stages, out: "bf16" });
  const code = compiler.compile(kernel.source, cuda.arch);
  const compileMs = performance.now() - start;
  const fn = cuda.kernel(cuda.module(code), "gemm", kernel.shared);
  const sets = [0, 1].map((i) => [fill("bf16", m * k, 1 + 2 * i), fill("bf16", k * n, 2 + 2 * i)]);
  const out = cuda.alloc(m * n * 2);
  const packed = sets.map(([a, b]) => pack([a, b, out, m, n, k]));
  const launch = (run: number) =>
    cuda.launch(fn, [n / 128, m / 128, 1], [kernel.threads, 1, 1], kernel.shared, packed[run % 2]);
  const ms = cuda.milliseconds(launch);
  cuda.call("cuMemsetD8Async", out, 0xff, m * n * 2, cuda.stream); // unwritten elements would be NaN
  launch(0);
  const chosen = places(m, n);
  const got = chosen.map(({ row, column }) => read(cuda, out, "bf16", row * n + column, 1)[0]);
  const want = chosen.map(({ row, column }) => {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += entry(row * k + i, 1) * entry(i * n + column, 2);
    return sum;
  });
  for (const pointer of [...sets.flat(), out]) cuda.free(pointer);
  return { compileMs, ms, tflops: (2 * m * n * k) / ms / 1e9, relativeError: relativeError(got, want) };
}

function attend(cuda: Driver, compiler: Compiler, fill: Fill, batch: number, heads: number, d: number) {
  const tokens = 256;
  const start = performance.now();
  const kernel = attention(d);
  const code = compiler.compile(kernel.source, cuda.arch);
  const compileMs = performance.now() - start;
  const fn = cuda.kernel(cuda.module(code), "attention", kernel.shared);
  const width = heads * d;
  const stride = 3 * width;
  const scale = 1 / Math.sqrt(d);
  const qkv = [1, 2].map((seed) => fill("bf16", batch * tokens * stride, seed));
  const out = cuda.alloc(batch * tokens * width * 2);
  const sums = cuda.alloc(batch * heads * tokens * 4);
  const packed = qkv.map((q) =>
    pack([
      ...[q, q + BigInt(width * 2), q + BigInt(width * 4), out, sums],
      ...[tokens, stride, width, Float32Array.of(scale)],
    ]),
  );
  const launch = (run: number) =>
    cuda.launch(fn, [tokens / 64, heads, batch], [kernel.threads, 1, 1], kernel.shared, packed[run % 2]);
  const ms = cuda.milliseconds(launch);
  cuda.call("cuMemsetD8Async", out, 0xff, batch * tokens * width * 2, cuda.stream);
  launch(0);
  const want: number[] = [];
  const got: number[] = [];
  for (const { row: image, column } of places(batch, tokens * heads, 12)) {
    const [head, query] = [column % heads, Math.floor(column / heads)];
    const at = (token: number, which: number, i: number) =>
      entry((image * tokens + token) * stride + which * width + head * d + i, 1);
    const scores = Array.from({ length: tokens }, (_, token) => {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += at(query, 0, i) * at(token, 1, i);
      return sum * scale;
    });
    const most = Math.max(...scores);
    const weights = scores.map((x) => Math.exp(x - most));
    const total = weights.reduce((a, b) => a + b);
    for (let i = 0; i < d; i++)
      want.push(weights.reduce((sum, w, token) => sum + w * at(token, 2, i), 0) / total);
    got.push(...read(cuda, out, "bf16", (image * tokens + query) * width + head * d, d));
  }
  for (const pointer of [...qkv, out, sums]) cuda.free(pointer);
  const flops = 4 * batch * heads * tokens * tokens * d;
  return { compileMs, ms, tflops: flops / ms / 1e9, relativeError: relativeError(got, want) };
}

export async function kernels(): Promise<void> {
  const compiler = openCompiler();
  report(PART, { nvrtc: compiler.version });
  for (const arch of ["sm_80", "sm_90", "sm_90a"])
    await attempt(PART, { what: "compile gemm", arch }, () => {
      const start = performance.now();
      const { length } = compiler.compile(gemm().source, arch);
      return { bytes: length, ms: performance.now() - start };
    });
  const cuda = openDriver();
  const { name, arch, multiprocessors, sharedMemoryPerBlock, l2, memory, version } = cuda;
  report(PART, { name, arch, multiprocessors, sharedMemoryPerBlock, l2, memory, driverCuda: version });
  const fill = filler(cuda, compiler);
  const shapes = [
    [1024, 1024, 1024],
    [4096, 4096, 4096],
    [8192, 1152, 384],
    [8192, 3072, 768],
    [8192, 4608, 1152],
  ];
  for (const shape of shapes)
    for (const stages of [3, 4])
      await attempt(PART, { what: "gemm", shape, stages }, () =>
        product(cuda, compiler, fill, shape, stages),
      );
  for (const [model, heads, d] of [
    ["S/2", 6, 64],
    ["B/2", 12, 64],
    ["XL/2", 16, 72],
  ] as const)
    await attempt(PART, { what: "attention", model, heads, d, batch: 32 }, () =>
      attend(cuda, compiler, fill, 32, heads, d),
    );
}
