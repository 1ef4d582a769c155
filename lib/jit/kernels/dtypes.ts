/** Element types as tfjs's cpu backend treats them, where ONNX has an operator for floats alone. */

import type { GraphType } from "../element-types.ts";
import type { Graph, Value } from "../graph.ts";
import { cast, type Kernel } from "./kernel.ts";

/** tfjs computes with booleans as 0 and 1; ONNX has arithmetic and order for numbers only. */
export const asNumber = (graph: Graph, x: Value): Value => (x.dtype === "bool" ? cast(graph, x, "int32") : x);
export const asFloat = (graph: Graph, x: Value): Value => cast(graph, x, "float32");

/** The type of a result of several operands: the widest of theirs. */
export const widest = (values: readonly Value[]): GraphType =>
  (["float32", "int32"] as const).find((dtype) => values.some((value) => value.dtype === dtype)) ?? "bool";

/** Whether each element is a number, and no infinite one. */
export function finite(graph: Graph, x: Value): Value {
  const bool = { shape: x.shape, dtype: "bool" as const };
  const bad = graph.emit("Or", [graph.emit("IsNaN", [x], bool), graph.emit("IsInf", [x], bool)], bool);
  return graph.emit("Not", [bad], bool);
}

/**
 * Floats as JavaScript stores them in an array of another type: without their fraction, and 0 for what is no number or
 * infinite. Beyond int32 tfjs wraps around; here it is undefined. For bool the caller sees to it that only 0 and 1 come.
 */
export function stored(graph: Graph, x: Value, dtype: GraphType): Value {
  if (dtype === "float32") return x;
  const whole = graph.emit("Where", [finite(graph, x), x, graph.scalar(0)], x);
  return cast(graph, cast(graph, whole, "int32"), dtype);
}

/** A kernel of floats for any type: computed as floats, stored in the widest type of the operands. */
export const throughFloat =
  (kernel: Kernel): Kernel =>
  (graph, inputs, attributes) => {
    const floats = Object.entries(inputs).map(([name, value]) => [name, asFloat(graph, value)]);
    const result = kernel(graph, Object.fromEntries(floats), attributes) as Value;
    return stored(graph, result, widest(Object.values(inputs)));
  };

/** A kernel that leaves 0 and 1 as they are. */
export const exceptBool =
  (kernel: Kernel): Kernel =>
  (graph, inputs, attributes) =>
    inputs.x.dtype === "bool" ? inputs.x : kernel(graph, inputs, attributes);

/** A kernel that computes with 0 and 1 in place of booleans. */
export const withNumbers =
  (kernel: Kernel): Kernel =>
  (graph, inputs, attributes) => {
    const numbers = Object.entries(inputs).map(([name, value]) => [name, asNumber(graph, value)]);
    return kernel(graph, Object.fromEntries(numbers), attributes);
  };

/** tfjs would keep other numbers than 0 and 1 in a tensor of booleans, which no graph can. */
export function refuseBool(operation: string): never {
  throw new TypeError(
    `jit: ${operation} of bool tensors is not supported, because its numbers need not be 0 and 1; cast them to int32 or float32 before`,
  );
}

/** A kernel of numbers; of booleans alone it is refused. */
export const refusingBool =
  (operation: string, kernel: Kernel): Kernel =>
  (graph, inputs, attributes) =>
    widest(Object.values(inputs)) === "bool" ? refuseBool(operation) : kernel(graph, inputs, attributes);
