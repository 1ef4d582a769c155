/** Matrix products in double precision, which tensors of tfjs do not have, on onnxruntime's compiled routines. */
import { createGraph, liveGraph } from "../../graph.ts";
import { defaultThreads } from "../../jit.ts";
import { encodeOnnx } from "./onnx.ts";
import { idleOptimizers } from "./optimizers.ts";
import { createSession } from "./session.ts";

export interface GemmShape {
  /** Rows and columns of the result, and length of the sums. */
  m: number;
  n: number;
  k: number;
  /** Whether `a` is stored as [k,m], and `b` as [n,k]. */
  transposeA?: boolean;
  transposeB?: boolean;
}

export interface Gemm {
  /**
   * `out = a b`, plus `c` where it is given: row-major [m,k], [k,n] and [m,n]. The arrays must stay as they are until it
   * is done, and `out` must be another than the rest.
   */
  run(a: Float64Array, b: Float64Array, out: Float64Array, c?: Float64Array): Promise<void>;
  dispose(): void;
}

/** Compiles products of one shape. */
export async function gemm({ m, n, k, transposeA = false, transposeB = false }: GemmShape): Promise<Gemm> {
  const shapes = { a: transposeA ? [k, m] : [m, k], b: transposeB ? [n, k] : [k, n], c: [m, n] };
  const binding = (name: keyof typeof shapes | "out", data: Float64Array) => {
    const shape = shapes[name === "out" ? "c" : name];
    if (data.length !== shape[0] * shape[1])
      throw new Error(`gemm: ${name} must have ${shape[0]} x ${shape[1]} values, got ${data.length}`);
    return { name, data, shape, dtype: "float64" as const };
  };
  const compile = async (names: readonly (keyof typeof shapes)[]) => {
    const graph = createGraph();
    const inputs = names.map((name) => graph.input(name, shapes[name], "float64"));
    const value = graph.emit(
      "Gemm",
      inputs,
      { shape: shapes.c, dtype: "float64" },
      { transA: Number(transposeA), transB: Number(transposeB) },
    );
    const live = liveGraph(graph, [value]);
    const without = idleOptimizers(live.nodes);
    return createSession(
      encodeOnnx(live, [{ name: "out", value }]),
      { threads: defaultThreads() },
      { without },
    );
  };
  const plain = await compile(["a", "b"]);
  const added = await compile(["a", "b", "c"]);
  return {
    run(a, b, out, c) {
      const inputs = [binding("a", a), binding("b", b)];
      return c
        ? added.run([...inputs, binding("c", c)], [binding("out", out)])
        : plain.run(inputs, [binding("out", out)]);
    },
    dispose() {
      plain.release();
      added.release();
    },
  };
}
