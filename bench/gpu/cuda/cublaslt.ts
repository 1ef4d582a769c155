/**
 * cuBLASLt through koffi. Its matrices are column-major, ours row-major: the product A B of ours is the column-major
 * product of the transposes in turned order, so what cuBLASLt calls A is our B.
 */
import koffi from "koffi";
import type { Pointer } from "./driver.ts";

const P = "void *";
export const TYPES = { f32: 0, f16: 2, bf16: 14 } as const;
export const COMPUTE = { f32: 68, tf32: 77 } as const;
export const EPILOGUES = {
  none: 1,
  bias: 4,
  gelu: 32,
  geluBias: 36,
  geluAuxBias: 164,
  dgelu: 192,
  dgeluBgrad: 208,
  bgradOfRight: 256,
  bgradOfLeft: 512,
} as const;
const DESC = {
  leftTransposed: 3,
  rightTransposed: 4,
  epilogue: 7,
  bias: 8,
  aux: 11,
  auxStride: 12,
  biasType: 26,
};
const LAYOUT = { batch: 5, stride: 6 };
const WORKSPACE_ATTRIBUTE = 1;
/** What a heuristic's answer holds: the algorithm (64 bytes), its workspace, its state, its waves, and a reserve. */
const RESULT_BYTES = 96;

export interface ProductOptions {
  m: number;
  n: number;
  k: number;
  transA?: boolean;
  transB?: boolean;
  batch?: number;
  type?: keyof typeof TYPES;
  compute?: keyof typeof COMPUTE;
  epilogue?: keyof typeof EPILOGUES;
  bias?: Pointer;
  aux?: Pointer;
  /** A factor of the product. */
  alpha?: number;
}
export interface Algorithm {
  readonly data: Uint8Array;
  readonly workspace: number;
  readonly waves: number;
}

export type Products = ReturnType<typeof openProducts>;
export function openProducts(workspaceBytes = 32 << 20, path = process.env.DITLAB_CUBLASLT) {
  const library = koffi.load(path ?? "libcublasLt.so.13");
  const f = (name: string, result: string, parameters: string[]) => library.func(name, result, parameters);
  const api = {
    version: f("cublasLtGetVersion", "size_t", []),
    statusName: f("cublasLtGetStatusName", "str", ["int"]),
    create: f("cublasLtCreate", "int", [P]),
    descCreate: f("cublasLtMatmulDescCreate", "int", [P, "int", "int"]),
    descSet: f("cublasLtMatmulDescSetAttribute", "int", [P, "int", P, "size_t"]),
    layoutCreate: f("cublasLtMatrixLayoutCreate", "int", [P, "int", "uint64_t", "uint64_t", "int64_t"]),
    layoutSet: f("cublasLtMatrixLayoutSetAttribute", "int", [P, "int", P, "size_t"]),
    prefCreate: f("cublasLtMatmulPreferenceCreate", "int", [P]),
    prefSet: f("cublasLtMatmulPreferenceSetAttribute", "int", [P, "int", P, "size_t"]),
    heuristic: f("cublasLtMatmulAlgoGetHeuristic", "int", [P, P, P, P, P, P, P, "int", P, P]),
    matmul: f("cublasLtMatmul", "int", [P, P, P, P, P, P, P, P, P, P, P, P, P, P, "size_t", P]),
  };
  const out = new BigUint64Array(1);
  const ok = (status: number, what: string): void => {
    if (status !== 0) throw new Error(`cuBLASLt: ${what}: ${api.statusName(status)}`);
  };
  const make = (fn: typeof api.create, ...args: unknown[]): bigint => {
    ok(fn(out, ...args), "create");
    return out[0];
  };
  const i32 = (value: number) => Int32Array.of(value);
  const i64 = (value: number) => BigInt64Array.of(BigInt(value));
  const zero = Float32Array.of(0);
  let handle: bigint | undefined;
  return {
    version: Number(api.version()),
    /** The library's context; needs a GPU. */
    open(): bigint {
      handle ??= make(api.create);
      return handle;
    },
    /** op(A)[m,k] op(B)[k,n] of row-major matrices. */
    plan(options: ProductOptions) {
      const { m, n, k, transA = false, transB = false, batch = 1, type = "bf16" } = options;
      const desc = make(api.descCreate, COMPUTE[options.compute ?? "f32"], TYPES.f32);
      const set = (id: number, value: ArrayBufferView, what: string) =>
        ok(api.descSet(desc, id, value, value.byteLength), what);
      set(DESC.leftTransposed, i32(transB ? 1 : 0), "transpose");
      set(DESC.rightTransposed, i32(transA ? 1 : 0), "transpose");
      set(DESC.epilogue, i32(EPILOGUES[options.epilogue ?? "none"]), "epilogue");
      if (options.bias !== undefined) {
        set(DESC.bias, BigUint64Array.of(options.bias), "bias");
        set(DESC.biasType, i32(TYPES[type]), "bias type");
      }
      if (options.aux !== undefined) {
        set(DESC.aux, BigUint64Array.of(options.aux), "aux");
        set(DESC.auxStride, i64(n), "aux stride");
      }
      const layout = (rows: number, columns: number): bigint => {
        const made = make(api.layoutCreate, TYPES[type], rows, columns, rows);
        if (batch > 1) {
          ok(api.layoutSet(made, LAYOUT.batch, i32(batch), 4), "batch");
          ok(api.layoutSet(made, LAYOUT.stride, i64(rows * columns), 8), "stride");
        }
        return made;
      };
      const right = transB ? layout(k, n) : layout(n, k);
      const left = transA ? layout(m, k) : layout(k, m);
      const result = layout(n, m);
      const alpha = Float32Array.of(options.alpha ?? 1);
      const preference = make(api.prefCreate);
      ok(api.prefSet(preference, WORKSPACE_ATTRIBUTE, i64(workspaceBytes), 8), "workspace");
      return {
        /** The library's own order of algorithms, best first. */
        algorithms: (most = 8): Algorithm[] => {
          const results = new Uint8Array(most * RESULT_BYTES);
          const count = new Int32Array(1);
          ok(
            api.heuristic(handle, desc, right, left, result, result, preference, most, results, count),
            "heuristic",
          );
          return Array.from({ length: count[0] }, (_, i) => {
            const data = results.slice(i * RESULT_BYTES, (i + 1) * RESULT_BYTES);
            const view = new DataView(data.buffer);
            return {
              data: data.slice(0, 64),
              workspace: Number(view.getBigUint64(64, true)),
              waves: view.getFloat32(76, true),
            };
          });
        },
        run(
          a: Pointer,
          b: Pointer,
          d: Pointer,
          algorithm: Algorithm,
          workspace: Pointer,
          stream: bigint,
        ): void {
          const status: number = api.matmul(
            ...[handle, desc, alpha, b, right, a, left, zero, d, result, d, result, algorithm.data],
            ...[workspace, workspaceBytes, stream],
          );
          if (status !== 0) ok(status, "product");
        },
      };
    },
  };
}
