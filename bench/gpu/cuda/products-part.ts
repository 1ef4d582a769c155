/** cuBLASLt from Node: products at the models' shapes, the heuristic's algorithms timed, and fused epilogues. */
import { attempt, relativeError, report } from "../report.ts";
import { type Algorithm, openProducts, type ProductOptions, type Products } from "./cublaslt.ts";
import { type Driver, openDriver, type Pointer } from "./driver.ts";
import { bytesOf, entry, filler, places, read, type Type } from "./numbers.ts";
import { openCompiler } from "./nvrtc.ts";

const PART = "cublaslt";
type Fill = ReturnType<typeof filler>;
const WIDTHS = { "S/2": 384, "B/2": 768, "XL/2": 1152 } as const;
const PRECISIONS = { bf16: "bf16", f16: "f16", tf32: "f32", f32: "f32" } as const;

interface Setting {
  readonly cuda: Driver;
  readonly products: Products;
  readonly fill: Fill;
  readonly workspace: Pointer;
}
interface Case extends ProductOptions {
  readonly precision: keyof typeof PRECISIONS;
}

/** An entry of op(A) op(B) in double precision. */
function exact({ m, n, k, transA, transB }: ProductOptions, row: number, column: number): number {
  let sum = 0;
  for (let i = 0; i < k; i++)
    sum += entry(transA ? i * m + row : row * k + i, 1) * entry(transB ? column * k + i : i * n + column, 2);
  return sum;
}

function measure({ cuda, products, fill, workspace }: Setting, { precision, ...shape }: Case, most: number) {
  const type: Type = PRECISIONS[precision];
  const { m, n, k } = shape;
  const plan = products.plan({ ...shape, type, compute: precision === "tf32" ? "tf32" : "f32" });
  const algorithms = plan.algorithms(most);
  // Two sets in turn, so that a small product is not measured out of the cache alone.
  const sets = [0, 1].map((i) => [fill(type, m * k, 1 + 2 * i), fill(type, k * n, 2 + 2 * i)]);
  const out = cuda.alloc(m * n * bytesOf(type));
  const run = (algorithm: Algorithm) => (turn: number) =>
    plan.run(sets[turn % 2][0], sets[turn % 2][1], out, algorithm, workspace, cuda.stream);
  const times = algorithms.map((algorithm) => {
    try {
      return cuda.milliseconds(run(algorithm), 9, 2);
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  });
  run(algorithms[0])(0);
  const chosen = places(m, n);
  const got = chosen.map(({ row, column }) => read(cuda, out, type, row * n + column, 1)[0]);
  const want = chosen.map(({ row, column }) => exact(shape, row, column));
  const hostStart = performance.now();
  for (let i = 0; i < 200; i++) run(algorithms[0])(i);
  const hostUs = ((performance.now() - hostStart) * 1000) / 200;
  cuda.synchronize();
  for (const pointer of [...sets.flat(), out]) cuda.free(pointer);
  const rate = (ms: number) => (2 * m * n * k) / ms / 1e9;
  const best = Math.min(...times);
  return {
    algorithms: times.length,
    firstMs: times[0],
    firstTflops: rate(times[0]),
    bestTflops: rate(best),
    bestIndex: times.indexOf(best),
    workspaceMB: algorithms[0].workspace / 2 ** 20,
    hostUs,
    relativeError: relativeError(got, want),
  };
}

const gelu = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
function dgelu(x: number): number {
  const c = Math.sqrt(2 / Math.PI);
  const t = Math.tanh(c * (x + 0.044715 * x ** 3));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

/** Each epilogue at B/2's first MLP product: does it run, is it right, what does it cost. */
async function epilogues({ cuda, products, fill, workspace }: Setting): Promise<void> {
  const scale = 2 ** -4;
  const shape = { m: 8192, n: 3072, k: 768 };
  const { m, n, k } = shape;
  const [a, b] = [fill("bf16", m * k, 1, scale), fill("bf16", k * n, 2, scale)];
  const out = cuda.alloc(m * n * 2);
  const value = (row: number, column: number) => exact(shape, row, column) * scale * scale;
  const time = (options: Partial<ProductOptions>): number => {
    const plan = products.plan({ ...shape, ...options });
    const [algorithm] = plan.algorithms(1);
    if (!algorithm) throw new Error("the heuristic offers no algorithm");
    return cuda.milliseconds(() => plan.run(a, b, out, algorithm, workspace, cuda.stream));
  };
  const chosen = places(m, n);
  const check = (want: (row: number, column: number) => number): number =>
    relativeError(
      chosen.map(({ row, column }) => read(cuda, out, "bf16", row * n + column, 1)[0]),
      chosen.map(({ row, column }) => want(row, column)),
    );
  const cases: [string, Partial<ProductOptions>, (bias: number, aux: number, x: number) => number][] = [
    ["none", {}, (_, __, x) => x],
    ["bias", { epilogue: "bias" }, (bias, _, x) => x + bias],
    ["gelu", { epilogue: "gelu" }, (_, __, x) => gelu(x)],
    ["geluBias", { epilogue: "geluBias" }, (bias, _, x) => gelu(x + bias)],
    ["geluAuxBias", { epilogue: "geluAuxBias" }, (bias, _, x) => gelu(x + bias)],
    ["dgelu", { epilogue: "dgelu" }, (_, aux, x) => x * dgelu(aux)],
    ["dgeluBgrad", { epilogue: "dgeluBgrad" }, (_, aux, x) => x * dgelu(aux)],
  ];
  for (const [epilogue, options, want] of cases)
    await attempt(PART, { what: "epilogue", epilogue, ...shape }, () => {
      const isGradient = epilogue.startsWith("dgelu");
      const bias = fill("bf16", Math.max(m, n), 5);
      const aux = fill("bf16", m * n, 6);
      const needsBias = /[bB]ias|Bgrad/.test(epilogue);
      const needsAux = isGradient || epilogue === "geluAuxBias";
      const ms = time({ ...options, ...(needsBias && { bias }), ...(needsAux && { aux }) });
      const error = check((row, column) =>
        want(entry(column, 5), entry(row * n + column, 6), value(row, column)),
      );
      let biasGradientError: number | undefined;
      if (epilogue === "dgeluBgrad") {
        const sums = new Float64Array(n);
        const all = read(cuda, out, "bf16", 0, m * n);
        for (let i = 0; i < all.length; i++) sums[i % n] += all[i];
        biasGradientError = relativeError(read(cuda, bias, "bf16", 0, n), sums);
      }
      cuda.free(bias);
      cuda.free(aux);
      return { ms, relativeError: error, biasGradientError };
    });
  for (const pointer of [a, b, out]) cuda.free(pointer);
  // Weight gradients with the bias's: X' dY, sums of dY over its rows.
  await attempt(
    PART,
    { what: "epilogue", epilogue: "bgradOfRight", m: 768, n: 3072, k: 8192, transA: true },
    () => {
      const [m, n, k] = [768, 3072, 8192];
      const [x, dy] = [fill("bf16", k * m, 1, scale), fill("bf16", k * n, 2, scale)];
      const [dw, bias] = [cuda.alloc(m * n * 2), cuda.alloc(n * 2)];
      const plan = products.plan({ m, n, k, transA: true, epilogue: "bgradOfRight", bias });
      const [algorithm] = plan.algorithms(1);
      const ms = cuda.milliseconds(() => plan.run(x, dy, dw, algorithm, workspace, cuda.stream));
      const want = Float64Array.from({ length: 64 }, (_, column) => {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += entry(i * n + column, 2) * scale;
        return sum;
      });
      const error = relativeError(read(cuda, bias, "bf16", 0, 64), want);
      for (const pointer of [x, dy, dw, bias]) cuda.free(pointer);
      return { ms, biasGradientError: error };
    },
  );
}

export async function cublaslt(): Promise<void> {
  const products = openProducts();
  report(PART, { version: products.version });
  const cuda = openDriver();
  const opened = performance.now();
  products.open();
  report(PART, { what: "handle", ms: performance.now() - opened });
  const fill = filler(cuda, openCompiler());
  const setting = { cuda, products, fill, workspace: cuda.alloc(32 << 20) };
  await attempt(PART, { what: "square", side: 8192 }, () =>
    measure(setting, { m: 8192, n: 8192, k: 8192, precision: "bf16" }, 8),
  );
  for (const [model, width] of Object.entries(WIDTHS))
    for (const [name, from, to] of [
      ["qkv", 1, 3],
      ["proj", 1, 1],
      ["fc1", 1, 4],
      ["fc2", 4, 1],
    ] as const) {
      const [i, o, tokens] = [from * width, to * width, 8192];
      const passes: [string, ProductOptions][] = [
        ["forward", { m: tokens, n: o, k: i }],
        ["dX", { m: tokens, n: i, k: o, transB: true }],
        ["dW", { m: i, n: o, k: tokens, transA: true }],
      ];
      for (const precision of ["bf16", "tf32"] as const)
        for (const [pass, shape] of passes)
          await attempt(PART, { what: "product", model, name, pass, precision }, () =>
            measure(setting, { ...shape, precision }, 8),
          );
    }
  for (const precision of ["f16", "f32"] as const)
    await attempt(PART, { what: "product", model: "B/2", name: "fc1", pass: "forward", precision }, () =>
      measure(setting, { m: 8192, n: 3072, k: 768, precision }, 4),
    );
  await attempt(
    PART,
    { what: "product", model: "B/2", name: "fc1", pass: "forward", precision: "bf16", batch: 256 },
    () => measure(setting, { m: 65536, n: 3072, k: 768, precision: "bf16" }, 8),
  );
  await epilogues(setting);
}
