/** A traced function's plan: in which sections it runs, where its results lie, and the kernels that write them. */
import { sameShape, type Value } from "../graph.ts";
import { type Place, placeOutputs, type Traced } from "../program.ts";
import type { Leaf } from "../structure.ts";
import { makePlan, type Plan, type PlanOptions } from "./plan.ts";
import { isRounds, type Section, type Step, stepsOf, valuesReadBy } from "./sections.ts";

export interface PlannedProgram {
  /** In the order in which they run. */
  steps: readonly Step[];
  /** The plans of all sections, those of loops too. */
  plans: ReadonlyMap<Section, Plan>;
  places: Place[];
}

/** Plans a function, written in the dialect of kernels: `donated` says which of the arguments' arrays it may write over. */
export function planProgram(
  traced: Traced,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  options: Omit<PlanOptions, "mayOverwrite">,
): PlannedProgram {
  const { live } = traced;
  const inputs = new Map(live.inputs.map((value) => [value.name, value]));
  const canAlias = (input: Value, output: Value): boolean =>
    output.node !== undefined && input.dtype === output.dtype && sameShape(input.shape, output.shape);
  const places = placeOutputs(traced, leaves, donated, canAlias);
  const over = new Map(
    places.flatMap(({ leaf, value, computed }) =>
      computed && leaf !== undefined ? [[value, inputs.get(leaves[leaf].name)!] as const] : [],
    ),
  );
  const results = places.map(({ value }) => value);
  const steps = stepsOf(live.nodes, results);
  const plans = new Map<Section, Plan>();
  planSteps(steps, results, over, options, plans);
  return { steps, plans, places };
}

/** Plans sections, those of loops too. `results` may take the place of inputs as `over` says. */
function planSteps(
  steps: readonly Step[],
  results: readonly Value[],
  over: ReadonlyMap<Value, Value>,
  options: Omit<PlanOptions, "mayOverwrite">,
  plans: Map<Section, Plan>,
): void {
  for (const [i, step] of steps.entries()) {
    if (isRounds(step)) {
      const inside = new Map(step.state.map(({ next, inside }) => [next, inside]));
      planSteps(step.body, [...inside.keys()], inside, options, plans);
      continue;
    }
    // What a later step reads is not written over.
    const later = new Set([...results, ...steps.slice(i + 1).flatMap(valuesReadBy)]);
    const copyOf = new Map([...step.inputs].map(([copy, value]) => [value, copy]));
    const mayOverwrite = new Map(
      [...over].flatMap(([result, input]) => {
        const [made, read] = [step.outputs.get(result), copyOf.get(input)];
        return made && read && !later.has(input) ? [[made, read] as const] : [];
      }),
    );
    plans.set(step, makePlan(step.live, [...step.outputs.values()], { ...options, mayOverwrite }));
  }
}
