/**
 * A program in sections that a device runs through by itself. Between them stand loops, whose rounds the host gives out:
 * it knows how many there are, and nothing has to come back from the device for it.
 */
import { createGraph, type GraphNode, type LiveGraph, liveGraph, type Value } from "../graph.ts";

/** What runs through. Its graph is one of its own: values of other sections are inputs. */
export interface Section {
  readonly live: LiveGraph;
  /** The values of the program that its inputs are. */
  readonly inputs: ReadonlyMap<Value, Value>;
  /** Its results, by the values of the program that they are. */
  readonly outputs: ReadonlyMap<Value, Value>;
}

/** What is repeated. */
export interface Rounds {
  readonly count: Value;
  /** Within the body: the round's number, from 0. */
  readonly index: Value;
  readonly state: readonly {
    /** Before the first round, */
    readonly start: Value;
    /** as a round begins, */
    readonly inside: Value;
    /** as it ends, */
    readonly next: Value;
    /** and behind the last one. */
    readonly result: Value;
  }[];
  readonly body: readonly Step[];
  /** What its body reads from outside. */
  readonly captures: readonly Value[];
}

export type Step = Section | Rounds;
export const isRounds = (step: Step): step is Rounds => "body" in step;

/** The values of the program that a step reads. */
export const valuesReadBy = (step: Step): Value[] =>
  isRounds(step)
    ? [step.count, ...step.state.map(({ start }) => start), ...step.captures]
    : [...step.inputs.values()];

/** The steps by which nodes give some results, in order. */
export function stepsOf(nodes: readonly GraphNode[], results: readonly Value[]): Step[] {
  const wanted = new Set(results);
  const steps: Step[] = [];
  const runs: (GraphNode | GraphNode[])[] = [];
  for (const node of nodes) {
    const last = runs.at(-1);
    if (node.body) runs.push(node);
    else if (Array.isArray(last)) last.push(node);
    else runs.push([node]);
  }
  // From the end: what is wanted of a section is known when all behind it are made.
  for (const run of runs.reverse()) {
    const step = Array.isArray(run) ? sectionOf(run, wanted) : roundsOf(run);
    if (!step) continue;
    for (const value of valuesReadBy(step)) wanted.add(value);
    steps.unshift(step);
  }
  return steps;
}

/** Copies nodes into a graph of their own, as far as something of them is wanted. */
function sectionOf(nodes: readonly GraphNode[], wanted: ReadonlySet<Value>): Section | undefined {
  const results = nodes.flatMap((node) => node.outputs).filter((value) => wanted.has(value));
  if (results.length === 0) return undefined;
  const graph = createGraph();
  const inputs = new Map<Value, Value>();
  const copies = new Map<Value, Value>();
  const copyOf = (value: Value): Value => {
    const known = copies.get(value);
    if (known) return known;
    const { name, shape, dtype, data } = value;
    const copy = data ? graph.constant(data, shape, dtype) : graph.input(name, shape, dtype);
    if (!data) inputs.set(copy, value);
    copies.set(value, copy);
    return copy;
  };
  for (const { op, inputs: from, outputs, attributes, domain, scope } of nodes) {
    const made = graph.emitMany(op, from.map(copyOf), outputs, attributes, domain, scope);
    outputs.forEach((output, i) => {
      copies.set(output, made[i]);
    });
  }
  const outputs = new Map(results.map((value) => [value, copyOf(value)]));
  const live = liveGraph(graph, [...outputs.values()]);
  const used = new Set(live.inputs);
  return { live, inputs: new Map([...inputs].filter(([copy]) => used.has(copy))), outputs };
}

function roundsOf({ inputs: [count, ...starts], outputs, body }: GraphNode): Rounds {
  const {
    inputs: [index, ...insides],
    nodes,
    outputs: nexts,
    captures,
  } = body!;
  return {
    count,
    index,
    state: starts.map((start, i) => ({
      start,
      inside: insides[i],
      next: nexts[i],
      result: outputs[i],
    })),
    body: stepsOf(nodes, nexts),
    captures,
  };
}
