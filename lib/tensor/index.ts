import "./display.ts";

export { assertClose, largestDifference } from "./compare.ts";
export { type ValueAndGrad, valueAndGrad, valueAndGradWith } from "./gradient.ts";
export { checkParams, checkShapes, countParams, mapParams, type Params, param } from "./params.ts";
export { normalTensor, type RandomGenerator, randomGenerator, randomStream, type Streams } from "./random.ts";
export { namedScope } from "./scope.ts";
export { type DataType, type Tensor, type Tensor4D, tf } from "./tf.ts";
export { disposeTree, flattenTree, mapTensors, mapTree, type Tree, type TreeLeaf, tidyTree } from "./tree.ts";
