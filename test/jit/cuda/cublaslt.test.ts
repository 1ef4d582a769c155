/** The stand-in cuBLASLt against plain loops, in its own terms: column-major matrices, D = epilogue(op(A) op(B)). */
import { join } from "node:path";
import koffi from "koffi";
import * as assert from "uvu/assert";
import type { Harness } from "./standin/harness.ts";
import { difference, fromBf16, fromHalf, toBf16, toHalf, toTf32, wave } from "./standin/numbers.ts";
import { clean, runTests, test } from "./standin/suite.ts";

const [P, D, I] = ["void *", "uint64_t", "int"];
const TYPES = { f32: 0, f16: 2, bf16: 14 } as const;
type Type = keyof typeof TYPES;
const COMPUTE = { f32: 68, tf32: 77 } as const;
const [M, N, K] = [16, 11, 9];

function openProducts(c: Harness) {
  const library = koffi.load(join(c.folder, "libcublasLt.so.13"));
  const f = (name: string, ...parameters: string[]) => library.func(`cublasLt${name}`, I, parameters);
  const set = (of: string) => f(`${of}SetAttribute`, D, I, P, "size_t");
  const out = new BigUint64Array(1);
  const made = (status: number): bigint => {
    assert.is(status, 0);
    return out[0];
  };
  const api = {
    create: f("Create", P),
    desc: f("MatmulDescCreate", P, I, I),
    layout: f("MatrixLayoutCreate", P, I, "uint64_t", "uint64_t", "int64_t"),
    preference: f("MatmulPreferenceCreate", P),
    setDesc: set("MatmulDesc"),
    setLayout: set("MatrixLayout"),
    setPreference: set("MatmulPreference"),
    heuristic: f("MatmulAlgoGetHeuristic", D, D, D, D, D, D, D, I, P, P),
    matmul: f("Matmul", D, D, P, D, D, D, D, P, D, D, D, D, P, D, "size_t", D),
  };
  return { ...api, out, made, handle: made(api.create(out)) };
}
const bytesOf = (type: Type) => (type === "f32" ? 4 : 2);
const PACK = { f32: (x: number) => x, f16: toHalf, bf16: toBf16 };
const UNPACK = { f32: (x: number) => x, f16: fromHalf, bf16: fromBf16 };
const packed = (x: Float32Array, type: Type) => (type === "f32" ? x : Uint16Array.from(x, PACK[type]));
/** As numbers of the type hold them. */
const held = (x: Float32Array, type: Type): Float64Array =>
  Float64Array.from(x, (v) => UNPACK[type](PACK[type](v)));

interface Case {
  a?: Type;
  d?: Type;
  compute?: keyof typeof COMPUTE;
  transA?: boolean;
  transB?: boolean;
  batch?: number;
  epilogue?: number;
  alpha?: number;
  beta?: number;
}
const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const slope = (x: number) => (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5;

/** Runs a product on the stand-in and by plain loops; gives the largest differences of all that it writes. */
function compare(c: Harness, settings: Case, viaGraph = false): Record<string, number> {
  const { a = "f32", d = a, compute = "f32", transA = false, transB = false } = settings;
  const { batch = 1, epilogue = 1, alpha = 1, beta = 0 } = settings;
  const lt = openProducts(c);
  const desc = lt.made(lt.desc(lt.out, COMPUTE[compute], 0));
  const i32 = (id: number, value: number) => assert.is(lt.setDesc(desc, id, Int32Array.of(value), 4), 0);
  const i64 = (id: number, value: bigint) => assert.is(lt.setDesc(desc, id, BigInt64Array.of(value), 8), 0);
  i32(3, +transA);
  i32(4, +transB);
  i32(7, epilogue);
  const layout = (type: Type, rows: number, columns: number): bigint => {
    const made = lt.made(lt.layout(lt.out, TYPES[type], rows, columns, rows));
    if (batch > 1) {
      lt.setLayout(made, 5, Int32Array.of(batch), 4);
      lt.setLayout(made, 6, BigInt64Array.of(BigInt(rows * columns)), 8);
    }
    return made;
  };
  const layouts = [transA ? layout(a, K, M) : layout(a, M, K), transB ? layout(a, N, K) : layout(a, K, N)];
  const result = layout(d, M, N);
  const [left, right, before] = [
    wave(batch * M * K, 0.7),
    wave(batch * K * N, 1.1),
    wave(batch * M * N, 0.3),
  ];
  const [bias, aux] = [wave(Math.max(M, N), 1.9), wave(M * N, 2.7)];
  const pointers = [packed(left, a), packed(right, a), packed(before, d)].map((x) => c.device(x));
  const [biasAt, auxAt] = [c.device(packed(bias, d)), c.device(packed(aux, d))];
  i64(8, biasAt);
  i32(26, TYPES[d]);
  i64(11, auxAt);
  i64(12, BigInt(M));
  const preference = lt.made(lt.preference(lt.out));
  lt.setPreference(preference, 1, BigInt64Array.of(4n << 20n), 8);
  const [answers, count] = [new Uint8Array(96 * 4), new Int32Array(1)];
  const all = [lt.handle, desc, ...layouts, result, result, preference, 4, answers, count] as const;
  assert.is(lt.heuristic(...all), 0);
  assert.is(count[0], 2);
  const workspace = c.alloc(1 << 20);
  const run = () =>
    lt.matmul(
      ...[lt.handle, desc, Float32Array.of(alpha), pointers[0], layouts[0], pointers[1], layouts[1]],
      ...[Float32Array.of(beta), pointers[2], result, pointers[2], result],
      ...[answers.slice(0, 64), workspace, 1 << 20, c.stream],
    );
  if (viaGraph) {
    c.call("cuStreamBeginCapture_v2", c.stream, 2);
    assert.is(run(), 0);
    c.call("cuStreamEndCapture", c.stream, lt.out);
    c.call("cuGraphLaunch", c.get("cuGraphInstantiateWithFlags", lt.out[0], 0n), c.stream);
  } else assert.is(run(), 0);

  const [x, y, z] = [held(left, a), held(right, a), held(before, d)];
  const [b, u] = [held(bias, d), held(aux, d)];
  const round = compute === "tf32" ? toTf32 : (v: number) => v;
  const want = { d: new Float64Array(batch * M * N), bias: b.slice(), aux: u.slice() };
  for (let s = 0; s < batch; s++)
    for (let j = 0; j < N; j++)
      for (let i = 0; i < M; i++) {
        let sum = 0;
        for (let k = 0; k < K; k++)
          sum +=
            round(x[s * M * K + (transA ? i * K + k : k * M + i)]) *
            round(y[s * K * N + (transB ? k * N + j : j * K + k)]);
        const at = j * M + i;
        let value = alpha * sum + (beta ? beta * z[s * M * N + at] : 0);
        if (epilogue & 4) value += b[i];
        if ((epilogue & 192) === 128) want.aux[at] = value;
        if (epilogue & 2) value = Math.max(value, 0);
        if (epilogue & 64) value *= slope(u[at]);
        else if (epilogue & 32) value = gelu(value);
        want.d[s * M * N + at] = value;
      }
  const sums = (count: number, terms: number, of: (i: number, p: number) => number) =>
    Array.from({ length: count }, (_, i) =>
      Array.from({ length: terms }, (_, p) => of(i, p)).reduce((p, q) => p + q),
    );
  if (epilogue & 16) want.bias.set(sums(M, N, (i, j) => want.d[j * M + i]));
  if (epilogue & 256) want.bias.set(sums(M, K, (i, k) => x[transA ? i * K + k : k * M + i]));
  if (epilogue & 512) want.bias.set(sums(N, K, (j, k) => y[transB ? k * N + j : j * K + k]));
  const read = (from: bigint, length: number) =>
    Float64Array.from(
      c.read(bytesOf(d) === 4 ? new Float32Array(length) : new Uint16Array(length), from),
      UNPACK[d],
    );
  return {
    d: difference(read(pointers[2], want.d.length), want.d),
    bias: difference(read(biasAt, want.bias.length), want.bias),
    aux: difference(read(auxAt, want.aux.length), want.aux),
  };
}
const near = (c: Harness, settings: Case, viaGraph = false): void => {
  const { a = "f32", d = a } = settings;
  const limit = { f32: 3e-5, f16: 1e-3, bf16: 8e-3 }[d];
  for (const [name, error] of Object.entries(compare(c, settings, viaGraph)))
    assert.ok(error < limit, `${name} of ${JSON.stringify(settings)}: ${error}`);
};

const TYPE_CASES: Case[] = [
  { a: "f32" },
  { a: "f32", compute: "tf32" },
  { a: "f16" },
  { a: "bf16" },
  { a: "bf16", d: "f32" },
  { a: "f16", d: "f32" },
];
for (const types of TYPE_CASES)
  test(`products of ${types.a} to ${types.d ?? types.a}, sums of ${types.compute ?? "f32"}`, (c) => {
    for (const transA of [false, true])
      for (const transB of [false, true]) near(c, { ...types, transA, transB });
    near(c, { ...types, batch: 3, transB: true });
    near(c, { ...types, alpha: 0.25, beta: 2 });
    clean(c);
  });
const EPILOGUES = { relu: 2, bias: 4, reluBias: 6, gelu: 32, geluBias: 36, geluAux: 160, geluAuxBias: 164 };
const GRADIENTS = { dgelu: 192, dgeluBgrad: 208, bgradA: 256, bgradB: 512 };
for (const [name, epilogue] of Object.entries({ ...EPILOGUES, ...GRADIENTS }))
  test(`the epilogue ${name}`, (c) => {
    for (const a of ["f32", "bf16", "f16"] as const) near(c, { a, epilogue, transA: true });
    near(c, { a: "bf16", d: "f32", epilogue, transB: true });
  });
test("a product within a graph", (c) => {
  near(c, { epilogue: 36 }, true);
  assert.is(c.report().products, 1);
  assert.is(c.report().nodesReplayed, 1);
});

test("what cuBLASLt does not take", (c) => {
  const lt = openProducts(c);
  const desc = lt.made(lt.desc(lt.out, 68, 0));
  const layout = (type: number, rows: number, columns: number, stride = rows) =>
    lt.made(lt.layout(lt.out, type, rows, columns, stride));
  const preference = lt.made(lt.preference(lt.out));
  const [answers, count] = [new Uint8Array(96), new Int32Array(1)];
  const ask = (a: bigint, b: bigint, d: bigint) =>
    lt.heuristic(lt.handle, desc, a, b, d, d, preference, 1, answers, count);
  const [a, b, d] = [layout(0, 4, 8), layout(0, 8, 16), layout(0, 4, 16)];
  assert.is(ask(a, b, d), 0);
  assert.is(count[0], 1, "without a workspace one algorithm is left");
  assert.is(ask(b, a, d), 7, "shapes that do not fit");
  assert.is(ask(layout(0, 4, 8, 3), b, d), 7, "columns that overlap");
  assert.is(ask(layout(14, 4, 8), b, d), 15, "two types in one product");
  assert.is(lt.setDesc(desc, 7, Int32Array.of(4), 8), 7, "an attribute of another size");
  assert.is(lt.setDesc(desc, 99, Int32Array.of(4), 4), 7);
  assert.is(lt.setDesc(0n, 7, Int32Array.of(4), 4), 7);
  const p = c.alloc(4 * 16 * 4);
  const one = Float32Array.of(1);
  const zero = Float32Array.of(0);
  const run = (at: bigint, algorithm: Uint8Array) =>
    lt.matmul(lt.handle, desc, one, p, a, at, b, zero, p, d, p, d, algorithm, 0n, 0, c.stream);
  assert.is(run(p, answers.slice(0, 64)), 13, "an operand that is longer than its memory");
  assert.is(run(c.alloc(8 * 16 * 4), new Uint8Array(64)), 7, "an algorithm of no heuristic");
  assert.is(run(c.alloc(8 * 16 * 4), answers.slice(0, 64)), 0);
  assert.is(c.synchronize(), 0);
});

runTests();
