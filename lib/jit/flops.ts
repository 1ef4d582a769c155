/** The floating-point work of a graph. */
import { type LiveGraph, sizeOf } from "./graph.ts";

/** Floating-point operations of a matrix product or convolution, two for each multiplication; of others 0. */
export function flopsOf(op: string, inputs: readonly number[][], output: readonly number[]): number {
  const [a, b] = inputs;
  switch (op) {
    case "MatMul":
    case "FusedMatMul":
    case "ScaledMatMul":
    case "Gemm":
      // The contracted axis is what the left factor has beside the output's rows, transposed or not.
      return (2 * sizeOf(output) * a[a.length - 2] * a[a.length - 1]) / output[output.length - 2];
    // The result begins with the parts that sums are made in, each of some of the terms.
    case "PartialMatMul":
      return flopsOf("MatMul", inputs, output.slice(1));
    // Queries [B,T,D] by keys, and weights by values.
    case "MultiHeadAttention":
    case "AttentionForward":
      return 4 * sizeOf(a) * b[1];
    // Of dy, queries and keys: the scores and what they lead to are computed again.
    case "AttentionQueryGradient":
      return 6 * sizeOf(b) * inputs[2][1];
    case "AttentionKeyGradient":
      return 8 * sizeOf(b) * inputs[2][1];
    case "AttentionGradient":
      return 14 * sizeOf(b) * inputs[2][1];
    // A kernel [out, in, height, width] is applied at each position of the output, or of the input.
    case "Conv":
    case "FusedConv":
      return (2 * sizeOf(output) * sizeOf(b)) / b[0];
    case "ConvTranspose":
      return (2 * sizeOf(a) * sizeOf(b)) / b[0];
    default:
      return 0;
  }
}

/** Floating-point operations of a graph's matrix products and convolutions, those within loops left out. */
export const productFlops = ({ nodes }: LiveGraph): number =>
  nodes.reduce(
    (sum, { op, inputs, outputs }) =>
      sum +
      flopsOf(
        op,
        inputs.map(({ shape }) => shape),
        outputs[0].shape,
      ),
    0,
  );
