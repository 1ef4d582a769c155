/** Every operator that kernels can be written for, and how a stage of a plan becomes one. */
import { type GraphNode, OWN, sizeOf, type Value } from "../graph.ts";
import { type Expression, Index, KernelBuilder, type Placement, scalarOf } from "./builder.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import type { Style } from "./language.ts";
import type { ProductCall } from "./library.ts";
import { ORDERING } from "./ordering.ts";
import { PRODUCTS } from "./products.ts";
import { REDUCTIONS } from "./reductions.ts";
import type { Finish, Root } from "./root.ts";
import { abreast, THREADS, threads } from "./threads.ts";
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

/** Values that one kernel computes: of one size, or what an operator gives, perhaps with expressions of it behind. */
export interface Stage {
  /** Of the last node, in the order of the graph. */
  position: number;
  /** What it stores. */
  values: Value[];
  root?: GraphNode;
  /** Roots that the same kernel computes on its way. */
  beside?: readonly GraphNode[];
  /** What is computed from a result of a root at the same place, one from the other. */
  behind?: ReadonlyMap<Value, readonly Value[]>;
  /** What a library of the device computes it by. */
  call?: ProductCall;
  /** Stages of the same kind that the same kernel computes by other workgroups. */
  others?: readonly Stage[];
}

export const labelOf = ({ values, root, beside = [] }: Stage): string => {
  const roots = root ? [root, ...beside] : [];
  const behind = values.filter(({ node }) => !roots.includes(node!));
  const first = root && beside.length > 1 ? [`${roots.length} of ${root.op}`] : roots.map(({ op }) => op);
  return [...first, ...behind.map(({ node }) => node!.op)].join("+");
};

/** The kernel of a stage. */
export function kernelOf(style: Style, placement: Placement, stage: Stage): KernelBuilder {
  const { others = [] } = stage;
  const label = others.length > 0 ? `${others.length + 1} of ${labelOf(stage)}` : labelOf(stage);
  const kernel = new KernelBuilder(style, placement, expression, label);
  kernel.node = stage.root ?? stage.values[0].node;
  if (others.length === 0) writeStage(kernel, stage);
  else {
    const all = [stage, ...others];
    abreast(kernel, all.map(workgroupsOf), (part) => {
      writeStage(kernel, all[part]);
      kernel.local.clear();
    });
  }
  return kernel;
}

function writeStage(kernel: KernelBuilder, stage: Stage): void {
  const { values, root, beside = [], behind } = stage;
  if (!root) {
    writeEach(kernel, values, threads(kernel, sizeOf(values[0].shape)));
    return;
  }
  const finish: Finish = (value, index, number) => {
    const place = index.linear(kernel);
    if (values.includes(value)) kernel.store(value, place, number);
    kernel.local.set(value, number);
    for (const last of behind?.get(value) ?? []) {
      const at = new Index(last.shape, undefined, place);
      const result = kernel.let(scalarOf(last), expression(kernel, last, at));
      kernel.store(last, place, result);
      kernel.local.set(last, result);
    }
  };
  rootOf(root)!(kernel, root, finish, beside);
}

const SQUARE_SUMS = "ditlab.SquareSums";
/** Whether a stage's kernel may have others of its kind in it, one beside the other. */
export const mayStandAbreast = ({ root, values }: Stage): boolean =>
  root ? named(root) === SQUARE_SUMS : values[0].node!.op !== "Concat" && sizeOf(values[0].shape) > 1;

/** Workgroups of expressions. */
const workgroupsOf = ({ values: [{ shape }] }: Stage): number => Math.ceil(sizeOf(shape) / THREADS);

/** Computes and stores values at one place. */
function writeEach(kernel: KernelBuilder, values: readonly Value[], i: string): void {
  const { language, placement } = kernel;
  // What is written over is read first, whoever of them reads it.
  for (const value of values) {
    const argument = placement.over?.get(value);
    if (argument) kernel.load(argument, new Index(argument.shape, undefined, i));
  }
  for (const value of values) {
    const number = expression(kernel, value, new Index(value.shape, undefined, i));
    const name = kernel.fresh("r");
    kernel.push(language.constant(scalarOf(value), name, number));
    kernel.store(value, i, name);
    kernel.local.set(value, name);
  }
}
