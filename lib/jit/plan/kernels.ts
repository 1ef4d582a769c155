/** Every operator that kernels can be written for, and how a stage of a plan becomes one. */
import { type GraphNode, OWN, sizeOf, type Value } from "../graph.ts";
import { type Expression, Index, KernelBuilder, type Placement } from "./builder.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import type { Style } from "./language.ts";
import { ORDERING } from "./ordering.ts";
import { PRODUCTS } from "./products.ts";
import { REDUCTIONS } from "./reductions.ts";
import type { Root } from "./root.ts";
import { threads } from "./threads.ts";
import { SELECTIONS, VIEWS } from "./views.ts";
import { WINDOWS } from "./windows.ts";

const EXPRESSIONS: Readonly<Record<string, Expression>> = { ...ELEMENTWISE, ...VIEWS, ...SELECTIONS };
const ROOTS: Readonly<Record<string, Root>> = { ...REDUCTIONS, ...PRODUCTS, ...WINDOWS, ...ORDERING };

/** Roots that read each number many times: what they read is stored before. */
const HEAVY = new Set<Root>([PRODUCTS, WINDOWS, ORDERING].flatMap((roots) => Object.values(roots)));

const named = ({ domain, op }: GraphNode): string => (domain === OWN ? `${OWN}.${op}` : op);

export const rootOf = (node: GraphNode): Root | undefined => ROOTS[named(node)];
export const isHeavy = (node: GraphNode): boolean => HEAVY.has(rootOf(node)!);
/** Whether a node shows numbers that are elsewhere, at no cost. */
export const isView = (node: GraphNode): boolean => named(node) in VIEWS || node.op === "Cast";
export const hasKernel = (node: GraphNode): boolean => named(node) in EXPRESSIONS || named(node) in ROOTS;

export const expression: Expression = (kernel, value, index) => {
  const write = EXPRESSIONS[named(value.node!)];
  if (!write) throw new Error(`jit: ${named(value.node!)} is no expression`);
  return write(kernel, value, index);
};

/** Values that one kernel computes: of one size, or what an operator gives, perhaps with an expression of it behind. */
export interface Stage {
  /** Of the last node, in the order of the graph. */
  position: number;
  values: Value[];
  root?: GraphNode;
}

const labelOf = ({ values, root }: Stage): string =>
  [
    ...(root ? [root.op] : []),
    ...values.filter(({ node }) => node !== root).map(({ node }) => node!.op),
  ].join("+");

/** The kernel of a stage. */
export function kernelOf(style: Style, placement: Placement, stage: Stage): KernelBuilder {
  const { values, root } = stage;
  const kernel = new KernelBuilder(style, placement, expression, labelOf(stage));
  const { language } = kernel;
  if (root) {
    rootOf(root)!(kernel, root, (value, index, number) => {
      const [last] = values;
      if (root.outputs.includes(last)) {
        if (values.includes(value)) kernel.store(value, index.linear(kernel), number);
        return;
      }
      kernel.local.set(value, number);
      const at = new Index(last.shape, undefined, index.linear(kernel));
      kernel.store(last, at.linear(kernel), expression(kernel, last, at));
    });
    return kernel;
  }
  const i = threads(kernel, sizeOf(values[0].shape));
  // What is written over is read first, whoever of them reads it.
  for (const value of values) {
    const argument = placement.over?.get(value);
    if (argument) kernel.load(argument, new Index(argument.shape, undefined, i));
  }
  for (const value of values) {
    const number = expression(kernel, value, new Index(value.shape, undefined, i));
    const name = kernel.fresh("r");
    kernel.push(
      language.constant(
        value.dtype === "float32" ? "f32" : value.dtype === "bool" ? "bool" : "i32",
        name,
        number,
      ),
    );
    kernel.store(value, i, name);
    kernel.local.set(value, name);
  }
  return kernel;
}
