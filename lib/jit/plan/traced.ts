/** A traced function's plan: where its results lie, and the kernels that write them. */
import { sameShape } from "../graph.ts";
import { type Place, placeOutputs, type Traced } from "../program.ts";
import type { Leaf } from "../structure.ts";
import { makePlan, type Plan, type PlanOptions } from "./plan.ts";

export interface PlannedFunction {
  plan: Plan;
  places: Place[];
}

/** Plans a function, written in the dialect of kernels: `donated` says which of the arguments' arrays it may write over. */
export function planFunction(
  traced: Traced,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  options: Omit<PlanOptions, "mayOverwrite">,
): PlannedFunction {
  const { live } = traced;
  const inputs = new Map(live.inputs.map((value) => [value.name, value]));
  const places = placeOutputs(
    traced,
    leaves,
    donated,
    (input, output) =>
      output.node !== undefined && input.dtype === output.dtype && sameShape(input.shape, output.shape),
  );
  const mayOverwrite = new Map(
    places.flatMap(({ leaf, value, computed }) =>
      computed && leaf !== undefined ? [[value, inputs.get(leaves[leaf].name)!] as const] : [],
    ),
  );
  const results = places.map(({ value }) => value);
  return { plan: makePlan(live, results, { ...options, mayOverwrite }), places };
}
