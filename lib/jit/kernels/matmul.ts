/** Matrix products. */

import { tf } from "../../tensor/tf.ts";
import { type Attribute, float, type Graph, OWN, sizeOf, type Value } from "../graph.ts";
import { refuseBool } from "./dtypes.ts";
import { elementwise } from "./elementwise.ts";
import { inputList, type KernelTable } from "./kernel.ts";

/** alpha * op(a) op(b), floats or integers (alpha 1), batched with broadcasting over the leading axes; `op` transposes where asked. */
export function matMul(
  graph: Graph,
  a: Value,
  b: Value,
  transposeA = false,
  transposeB = false,
  alpha = 1,
): Value {
  const rows = a.shape[a.shape.length - (transposeA ? 1 : 2)];
  const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)];
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const shape = [...tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB), rows, columns];

  // Batches of one, which tfjs makes of matrices, are matrices again.
  if (shape.length > 2 && sizeOf(shape.slice(0, -2)) === 1) {
    const [x, y] = [a, b].map((factor) => graph.reshape(factor, factor.shape.slice(-2)));
    return graph.reshape(matMul(graph, x, y, transposeA, transposeB, alpha), shape);
  }
  // One matrix shared by a batch is one large product instead of many small ones.
  if (sizeOf(batchB) === 1 && !transposeA && sizeOf(batchA) > 1) {
    const flatA = graph.reshape(a, [sizeOf(batchA) * rows, a.shape[a.shape.length - 1]]);
    const flatB = graph.reshape(b, b.shape.slice(-2));
    return graph.reshape(matMul(graph, flatA, flatB, false, transposeB, alpha), shape);
  }
  if (a.dtype === "bool") refuseBool("a product");
  const output = { shape, dtype: a.dtype };
  if (!transposeA && !transposeB && alpha === 1) return graph.emit("MatMul", [a, b], output);
  const attributes: Record<string, Attribute> = {
    transA: transposeA ? 1 : 0,
    transB: transposeB ? 1 : 0,
    alpha: float(alpha),
  };
  return graph.emit("ScaledMatMul", [a, b], output, attributes, OWN);
}

export const products: KernelTable = {
  BatchMatMul: (graph, { a, b }, { transposeA, transposeB }) =>
    matMul(graph, a, b, transposeA as boolean, transposeB as boolean),
  _FusedMatMul: (graph, { a, b, bias, preluActivationWeights }, attributes) => {
    const product = matMul(graph, a, b, attributes.transposeA as boolean, attributes.transposeB as boolean);
    // What is added comes before a reshape, so that this one and the next become one.
    const inner = product.node?.op === "Reshape" ? product.node.inputs[0] : product;
    const early =
      bias &&
      bias.shape.length <= 1 &&
      inner.shape[inner.shape.length - 1] === product.shape[product.shape.length - 1];
    const sum = bias
      ? (elementwise.Add(graph, { a: early ? inner : product, b: bias }, {}) as Value)
      : product;
    return applyActivation(graph, graph.reshape(sum, product.shape), attributes, preluActivationWeights);
  },
  Einsum: (graph, inputs, { equation }) => {
    const operands = inputList(inputs);
    const [left, output] = (equation as string).replaceAll(" ", "").split("->");
    const sizes = new Map(
      left
        .split(",")
        .flatMap((term, i) => [...term].map((label, k) => [label, operands[i].shape[k]] as const)),
    );
    const types = new Set(operands.map(({ dtype }) => dtype));
    if (types.size > 1 || types.has("bool"))
      throw new TypeError(
        `jit: einsum of ${[...types].join(" and ")} tensors is not supported; expected all float32 or all int32`,
      );
    const shape = [...output].map((label) => sizes.get(label)!);
    return graph.emit(
      "Einsum",
      operands,
      { shape, dtype: operands[0].dtype },
      { equation: `${left}->${output}` },
    );
  },
};

/** The activation that tfjs fuses behind a product or convolution. */
export function applyActivation(
  graph: Graph,
  x: Value,
  attributes: Record<string, unknown>,
  preluWeights?: Value,
): Value {
  const activation = (attributes.activation ?? "linear") as string;
  if (activation === "linear") return x;
  if (activation === "prelu") return elementwise.Prelu(graph, { x, alpha: preluWeights! }, {}) as Value;
  const kernel = { relu: "Relu", relu6: "Relu6", elu: "Elu", sigmoid: "Sigmoid", leakyrelu: "LeakyRelu" }[
    activation
  ];
  if (!kernel) throw new Error(`jit: fused activation '${activation}' is not supported`);
  return elementwise[kernel](graph, { x }, { alpha: attributes.leakyreluAlpha ?? 0.2 }) as Value;
}
