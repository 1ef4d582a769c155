/**
 * onnxruntime's graph optimizers that have nothing to find in a graph. Each looks at all nodes, and sorts them first,
 * several times: in a training step most of the time of compiling goes there.
 */
import type { GraphNode } from "../../graph.ts";

/** Those for operators that no kernel emits, and for equal nodes, which a graph does not have. */
const NEVER = [
  "AttentionFusion",
  "BiasDropoutFusion",
  "CommonSubexpressionElimination",
  "DoubleQDQPairsRemover",
  "DynamicQuantizeMatMulFusion",
  "EmbedLayerNormFusion",
  "EnsureUniqueDQForNodeUnit",
  "FuseFp16InitializerToFp32NodeTransformer",
  "GatherToSliceFusion",
  "GroupQueryAttentionFusion",
  "GroupQueryAttentionPreNormFusion",
  "MatMulActivationFusion",
  "MatMulIntegerToFloatFusion",
  "MatMulNBitsFusion",
  "QDQFinalCleanupTransformer",
  "QDQPropagationTransformer",
  "QDQS8ToU8Transformer",
  "QDQSelectorActionTransformer",
  "ReshapeFusion",
  "SliceConcatToSpaceToDepthFusion",
  "WeightBiasQuantization",
  "WhereDummyDq",
];

const CONVOLUTIONS = ["Conv", "ConvTranspose", "MaxPool", "AveragePool"];
/** Those whose pattern has one of these operators. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  ConvActivationFusion: CONVOLUTIONS,
  ConvAddActivationFusion: CONVOLUTIONS,
  NchwcTransformer: CONVOLUTIONS,
  NhwcTransformer: CONVOLUTIONS,
  FastGeluFusion: ["Tanh"],
  GeluFusionL1: ["Erf"],
  GeluFusionL2: ["Erf"],
  LayerNormFusionL1: ["Pow"],
  LayerNormFusionL2: ["Pow"],
  SimplifiedLayerNormFusion: ["Pow"],
};

function addOperators(nodes: readonly GraphNode[], operators: Set<string>): Set<string> {
  for (const { op, body } of nodes) {
    operators.add(op);
    if (body) addOperators(body.nodes, operators);
  }
  return operators;
}

/** The names of optimizers that need not look at these nodes. */
export function idleOptimizers(nodes: readonly GraphNode[]): string[] {
  const operators = addOperators(nodes, new Set());
  const idle = Object.keys(NEEDS).filter((name) => !NEEDS[name].some((op) => operators.has(op)));
  return [...NEVER, ...idle];
}
