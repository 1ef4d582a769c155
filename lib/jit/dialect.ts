/** What a traced graph says, in the operators that a target has. */
import { withScope } from "../tensor/scope.ts";
import {
  createGraph,
  type Graph,
  type GraphNode,
  isWhole,
  type LiveGraph,
  liveGraph,
  type Value,
} from "./graph.ts";

/**
 * Writes a node in a target's operators: from its inputs, as they have been written, to its outputs. `rewrite` writes the
 * nodes of a body.
 */
export type Rule = (
  graph: Graph,
  inputs: Value[],
  node: GraphNode,
  rewrite: (inner: Graph, given: readonly Value[]) => Value[],
) => Value[];

const operatorOf = ({ domain, op }: GraphNode): string => (domain === "" ? op : `${domain}.${op}`);

/** Rules by operator (`ReduceSum`, `ditlab.Gelu`); what has none stays as it is. */
export type Dialect = Readonly<Record<string, Rule>>;

export interface Written {
  live: LiveGraph;
  /** What the values of the traced graph have become. */
  writtenOf(value: Value): Value;
}

/** Rewrites what some outputs need. Inputs keep their names. */
export function writeIn(dialect: Dialect, traced: LiveGraph, outputs: readonly Value[]): Written {
  const graph = createGraph();
  const written = new Map<Value, Value>();
  for (const input of traced.inputs) written.set(input, graph.input(input.name, input.shape, input.dtype));
  const writtenOf = (value: Value): Value => {
    const known = written.get(value);
    if (known) return known;
    if (!value.data) throw new Error(`jit: ${value.name} was read before it was made`);
    const constant = graph.constant(value.data, value.shape, value.dtype);
    written.set(value, constant);
    return constant;
  };
  writeNodes(dialect, graph, traced.nodes, written, writtenOf);
  return { live: liveGraph(graph, outputs.map(writtenOf)), writtenOf };
}

function writeNodes(
  dialect: Dialect,
  graph: Graph,
  nodes: readonly GraphNode[],
  written: Map<Value, Value>,
  writtenOf: (value: Value) => Value,
): void {
  for (const node of nodes) {
    const rewrite = (inner: Graph, given: readonly Value[]): Value[] => {
      const body = node.body!;
      body.inputs.forEach((value, i) => {
        written.set(value, given[i]);
      });
      writeNodes(dialect, inner, body.nodes, written, writtenOf);
      return body.outputs.map(writtenOf);
    };
    const inputs = node.inputs.map(writtenOf);
    const rule = dialect[operatorOf(node)] ?? SHOWN[operatorOf(node)] ?? (isWhole(node) ? asDefined : asItIs);
    const made = withScope(node.scope, () => rule(graph, inputs, node, rewrite));
    node.outputs.forEach((value, i) => {
      written.set(value, made[i]);
    });
  }
}

/** What shows its input otherwise shows what that input shows. */
const SHOWN: Dialect = {
  Reshape: (graph, [x], { outputs: [{ shape }] }) => [graph.reshape(x, shape)],
  Transpose: (graph, [x], { attributes }) => [graph.transpose(x, attributes.perm as number[])],
};

const asDefined: Rule = (graph, inputs, _, rewrite) => rewrite(graph, inputs);

/** A node as it is, on what its inputs have become. */
export const asItIs: Rule = (graph, inputs, { op, outputs, attributes, domain, scope, body }, rewrite) =>
  body
    ? graph.nest(
        op,
        inputs,
        outputs,
        (inner) =>
          rewrite(
            inner,
            body.inputs.map(({ name, shape, dtype }) => inner.input(name, shape, dtype)),
          ),
        domain,
        scope,
      )
    : graph.emitMany(op, inputs, outputs, attributes, domain, scope);
