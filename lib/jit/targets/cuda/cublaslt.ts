/**
 * Matrix products by NVIDIA's cuBLASLt. Its matrices lie by columns, ours by rows: a product of ours is its product of the
 * same arrays in turned order, so what it calls A is our second factor.
 */
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import type { ProductSize } from "../../plan/forms.ts";
import type { Epilogue } from "../../plan/library.ts";
import { candidatesFor } from "./libraries.ts";

const P = "void *";
const I = "int";
/** Its numbers for types of matrices. */
const TYPES = { float32: 0, float16: 2, bfloat16: 14 } as const;
export type MatrixType = keyof typeof TYPES;
/** Sums of float32, of factors as they are, or of float32 that are rounded to 11 bits. */
const COMPUTE = { float32: 68, tf32: 77 } as const;
const DESCRIPTION = {
  leftTransposed: 3,
  rightTransposed: 4,
  epilogue: 7,
  vector: 8,
  argument: 11,
  argumentPitch: 12,
  vectorType: 26,
} as const;
/** Of ours, the first factor is its second. */
const EPILOGUES: Readonly<Record<Epilogue["kind"], number>> = {
  bias: 4,
  gelu: 36,
  "gelu with argument": 164,
  "gelu gradient": 192,
  "factor sums": 512,
};
const LAYOUT = { batch: 5, stride: 6 } as const;
const MOST_WORKSPACE = 1;
/** What a heuristic's answer holds: the algorithm, its workspace, its state, its waves, and a reserve. */
const RESULT_BYTES = 96;
const ALGORITHM_BYTES = 64;
/** Its status for what it does not have. */
const NOT_SUPPORTED = 15;

/** Bytes that a product may use beside its matrices; all products of a stream share them. */
export const WORKSPACE = 32 << 20;

/** What a product is of. */
export interface ProductKind extends Required<ProductSize> {
  alpha: number;
  factors: MatrixType;
  /** In which float32 are multiplied. */
  precision: "float32" | "tf32";
  /** Of the result, of what is added to it, and of sums beside it. */
  out: MatrixType;
  epilogue?: Epilogue["kind"];
}

/** Where a product's arrays lie. */
export interface ProductPlaces {
  a: bigint;
  b: bigint;
  out: bigint;
  vector?: bigint;
  argument?: bigint;
}

/** The library has no way to compute a product of a kind. */
export class NoAlgorithmError extends Error {}

/** How it is computed: opaque, and good for the same kind, library and device. */
export type Algorithm = Uint8Array;

export interface Product {
  /** What the library expects to be fast, the fastest first. */
  algorithms(most: number): Algorithm[];
  /** Gives the product to a stream. */
  run(places: ProductPlaces, algorithm: Algorithm, workspace: bigint, stream: bigint): void;
  release(): void;
}

export interface Products {
  readonly version: number;
  /** `somewhere` stands for what an epilogue reads and writes until a product is run: algorithms depend on its alignment. */
  productOf(kind: ProductKind, somewhere: bigint): Product;
}

/** Loads the library for a driver of a version, if it is there. It opens itself on the current context. */
export function openProducts(driver: number): Products | undefined {
  for (const path of candidatesFor("cublasLt", driver)) {
    try {
      return productsOf(koffi.load(path));
    } catch {
      // The next one.
    }
  }
  return undefined;
}

function productsOf(library: LibraryHandle): Products {
  type Native = KoffiFunc<(...args: unknown[]) => number>;
  const native = (name: string, ...parameters: string[]): Native =>
    library.func(name, I, parameters) as Native;
  const version = library.func("cublasLtGetVersion", "size_t", []);
  const statusName = library.func("cublasLtGetStatusName", "str", [I]);
  const create = native("cublasLtCreate", P);
  const description = native("cublasLtMatmulDescCreate", P, I, I);
  const describe = native("cublasLtMatmulDescSetAttribute", P, I, P, "size_t");
  const endDescription = native("cublasLtMatmulDescDestroy", P);
  const layout = native("cublasLtMatrixLayoutCreate", P, I, "uint64_t", "uint64_t", "int64_t");
  const layOut = native("cublasLtMatrixLayoutSetAttribute", P, I, P, "size_t");
  const endLayout = native("cublasLtMatrixLayoutDestroy", P);
  const preference = native("cublasLtMatmulPreferenceCreate", P);
  const prefer = native("cublasLtMatmulPreferenceSetAttribute", P, I, P, "size_t");
  const endPreference = native("cublasLtMatmulPreferenceDestroy", P);
  const heuristic = native("cublasLtMatmulAlgoGetHeuristic", P, P, P, P, P, P, P, I, P, P);
  const matmul = native("cublasLtMatmul", P, P, P, P, P, P, P, P, P, P, P, P, P, P, "size_t", P);

  const pointer = new BigUint64Array(1);
  const check = (status: number, what: string): void => {
    if (status !== 0) throw new Error(`cuBLASLt: ${what}: ${statusName(status)}`);
  };
  const made = (fn: Native, ...args: unknown[]): bigint => {
    check(fn(pointer, ...args), "descriptor");
    return pointer[0];
  };
  const set = (fn: Native, of: bigint, id: number, value: ArrayBufferView): void =>
    check(fn(of, id, value, value.byteLength), `attribute ${id}`);
  const handle = made(create);
  const zero = Float32Array.of(0);

  /** A matrix of ours, as the library sees it. */
  const matrix = (type: MatrixType, rows: number, columns: number, batch: number): bigint => {
    const of = made(layout, TYPES[type], columns, rows, columns);
    if (batch === 1) return of;
    set(layOut, of, LAYOUT.batch, Int32Array.of(batch));
    set(layOut, of, LAYOUT.stride, BigInt64Array.of(BigInt(rows * columns)));
    return of;
  };

  return {
    version: Number(version()),
    productOf(kind, somewhere) {
      const { rows, columns, depth, batch, transA, transB, alpha, factors, precision, out, epilogue } = kind;
      const operation = made(description, COMPUTE[precision], TYPES.float32);
      set(describe, operation, DESCRIPTION.leftTransposed, Int32Array.of(Number(transB)));
      set(describe, operation, DESCRIPTION.rightTransposed, Int32Array.of(Number(transA)));
      if (epilogue) {
        set(describe, operation, DESCRIPTION.epilogue, Int32Array.of(EPILOGUES[epilogue]));
        set(describe, operation, DESCRIPTION.vectorType, Int32Array.of(TYPES[out]));
        set(describe, operation, DESCRIPTION.argumentPitch, BigInt64Array.of(BigInt(columns)));
        for (const id of [DESCRIPTION.vector, DESCRIPTION.argument])
          set(describe, operation, id, BigUint64Array.of(somewhere));
      }
      const right = transB ? matrix(factors, columns, depth, batch) : matrix(factors, depth, columns, batch);
      const left = transA ? matrix(factors, depth, rows, batch) : matrix(factors, rows, depth, batch);
      const result = matrix(out, rows, columns, batch);
      const factor = Float32Array.of(alpha);
      return {
        algorithms(most) {
          const wish = made(preference);
          set(prefer, wish, MOST_WORKSPACE, BigInt64Array.of(BigInt(WORKSPACE)));
          const results = new Uint8Array(most * RESULT_BYTES);
          const count = new Int32Array(1);
          const status = heuristic(
            handle,
            operation,
            right,
            left,
            result,
            result,
            wish,
            most,
            results,
            count,
          );
          endPreference(wish);
          const what = `${rows}x${depth} by ${depth}x${columns} of ${factors}${epilogue ? `, ${epilogue}` : ""}`;
          if (status === NOT_SUPPORTED || (status === 0 && count[0] === 0))
            throw new NoAlgorithmError(`jit: cuBLASLt has no algorithm for the product ${what}`);
          check(status, what);
          return Array.from({ length: count[0] }, (_, i) =>
            results.slice(i * RESULT_BYTES, i * RESULT_BYTES + ALGORITHM_BYTES),
          );
        },
        run(places, algorithm, workspace, stream) {
          const { vector, argument } = places;
          if (vector !== undefined) set(describe, operation, DESCRIPTION.vector, BigUint64Array.of(vector));
          if (argument !== undefined)
            set(describe, operation, DESCRIPTION.argument, BigUint64Array.of(argument));
          const status = matmul(
            ...[handle, operation, factor, places.b, right, places.a, left, zero, places.out, result],
            ...[places.out, result, algorithm, workspace, WORKSPACE, stream],
          );
          check(status, "product");
        },
        release() {
          endDescription(operation);
          for (const one of [right, left, result]) endLayout(one);
        },
      };
    },
  };
}
