/** Attention by kernels of CUDA's own, where its arrays have 16 bits and lie in rows. */
import { OWN as DOMAIN, type GraphNode, type Value } from "../../graph.ts";
import { KernelBuilder, type Placement } from "../../plan/builder.ts";
import { expression, isView } from "../../plan/kernels.ts";
import type { OwnKernels, Style } from "../../plan/language.ts";
import { unshaped } from "../../plan/root.ts";
import { type AttentionPart, attentionText, OWN, sharedBytes, THREADS } from "./attention-text.ts";
import { ENTRY } from "./language.ts";
import { HALVES_TOOLS } from "./prelude.ts";

const PARTS: Readonly<Record<string, AttentionPart>> = {
  MultiHeadAttention: "forward",
  AttentionQueryGradient: "queries",
  AttentionKeyGradient: "keys",
};
/** Heads of other sizes take the planned kernels. */
const SIZES = { least: 16, most: 128, multiple: 8 };

/** Where the rows of an array of [batch, tokens, heads * size] lie: in another array, some way into its own rows. */
interface RowsOf {
  value: Value;
  offset: number;
  stride: number;
}

/** Nothing where an array is shown in another way than as it lies, or as columns of what lies. */
function rowsOf(value: Value): RowsOf | undefined {
  const shown = unshaped(value);
  const width = value.shape[value.shape.length - 1];
  const { node } = shown;
  if (node?.op !== "Split")
    return node && isView(node) ? undefined : { value: shown, offset: 0, stride: width };
  const [from] = node.inputs;
  const axis = node.attributes.axis as number;
  if (axis !== from.shape.length - 1 || shown.shape[axis] !== width) return undefined;
  const before = node.outputs.slice(0, node.outputs.indexOf(shown));
  const base = unshaped(from);
  if (base.node && isView(base.node)) return undefined;
  return {
    value: base,
    offset: before.reduce((sum, { shape }) => sum + shape[axis], 0),
    stride: from.shape[axis],
  };
}

/** What a node's kernel reads, by the names that the text has for it. */
const READS: Readonly<Record<AttentionPart, { rows: readonly string[]; statistics: readonly string[] }>> = {
  forward: { rows: ["q", "k", "v"], statistics: [] },
  queries: { rows: ["dy", "q", "k", "v", "out"], statistics: ["log_sums"] },
  keys: { rows: ["dy", "q", "k", "v"], statistics: ["log_sums", "row_sums"] },
};
/** And writes, rows first. */
const WRITES: Readonly<Record<AttentionPart, { rows: readonly string[]; statistics: readonly string[] }>> = {
  forward: { rows: ["out"], statistics: ["log_sums"] },
  queries: { rows: ["dq"], statistics: ["row_sums"] },
  keys: { rows: ["dk", "dv"], statistics: [] },
};

/** Whether a node's numbers may come from a kernel of ours, as far as the graph says. */
function isOurs({ op, domain, inputs, attributes }: GraphNode): boolean {
  const part = domain === DOMAIN ? PARTS[op] : undefined;
  if (!part) return false;
  const { rows, statistics } = READS[part];
  // A mask would be one more.
  if (inputs.length !== rows.length + statistics.length) return false;
  const heads = attributes.heads as number;
  const size = inputs[0].shape[2] / heads;
  const { least, most, multiple } = SIZES;
  if (size < least || size > most || size % multiple !== 0) return false;
  return inputs.slice(0, rows.length).every((value) => {
    const found = rowsOf(value);
    return found !== undefined && found.stride % multiple === 0 && found.offset % multiple === 0;
  });
}

/** The kernel, if all that it reads and writes in rows has 16 bits. */
function kernelOf(style: Style, placement: Placement, node: GraphNode): KernelBuilder | undefined {
  const { narrow, parts, over, stored } = placement;
  if (!narrow || !isOurs(node)) return undefined;
  const part = PARTS[node.op];
  const { inputs, outputs, attributes } = node;
  const heads = attributes.heads as number;
  const [batch, , width] = inputs[0].shape;
  const size = width / heads;
  const [reads, writes] = [READS[part], WRITES[part]];
  const read = inputs.slice(0, reads.rows.length).map((value) => rowsOf(value)!);
  const written = outputs.slice(0, writes.rows.length).map((value): RowsOf => {
    const joined = parts?.get(value);
    return joined
      ? { value: joined.whole, offset: joined.start, stride: joined.whole.shape.at(-1)! }
      : { value, offset: 0, stride: width };
  });
  const isJoinedBeside = outputs.every((value) => {
    const joined = parts?.get(value);
    return !joined || (joined.axis === joined.whole.shape.length - 1 && joined.start % SIZES.multiple === 0);
  });
  if (!isJoinedBeside || ![...read, ...written].every(({ value }) => narrow.values.has(value)))
    return undefined;

  const kernel = new KernelBuilder(style, placement, expression, node.op);
  kernel.node = node;
  const names = new Map<Value, string>();
  const bound = (value: Value): string => {
    const memory = over?.get(value) ?? value;
    const known = names.get(memory) ?? `b${kernel.buffers.push(memory) - 1}`;
    names.set(memory, known);
    return known;
  };
  const declarations: string[] = [];
  const place = ({ value, offset, stride }: RowsOf, tokens: number): string =>
    `${bound(value)} + (u64)batch * ${kernel.size(tokens * stride)} + ${kernel.size(offset)} + head * ${size}u`;
  reads.rows.forEach((name, i) => {
    const rows = read[i];
    const tokens = inputs[i].shape[1];
    kernel.read.add(rows.value);
    declarations.push(
      `const Rows ${name} = {${place(rows, tokens)}, ${kernel.size(rows.stride)}, ${kernel.size(tokens)}};`,
    );
  });
  const statistic = (name: string, value: Value): string =>
    `f32 *${name} = ${bound(value)} + ((u64)batch * ${kernel.size(heads)} + head) * ${kernel.size(value.shape[2])};`;
  reads.statistics.forEach((name, i) => {
    const value = inputs[reads.rows.length + i];
    kernel.read.add(value);
    declarations.push(statistic(name, value));
  });
  writes.rows.forEach((name, i) => {
    const tokens = outputs[i].shape[1];
    kernel.written.add(written[i].value);
    declarations.push(`u16 *${name} = ${place(written[i], tokens)};`);
    declarations.push(`const u32 ${name}_stride = ${kernel.size(written[i].stride)};`);
  });
  writes.statistics.forEach((name, i) => {
    const value = outputs[writes.rows.length + i];
    // Nobody asks for it where there is no gradient.
    if (!value || !stored.has(value)) declarations.push(`f32 *${name} = nullptr;`);
    else {
      kernel.written.add(value);
      declarations.push(statistic(name, value));
    }
  });
  const owned = part === "keys" ? inputs[2] : inputs[part === "forward" ? 0 : 1];
  kernel.groups = [Math.ceil(owned.shape[1] / OWN), heads, batch];
  kernel.workgroup = THREADS;
  kernel.sharedBytes = sharedBytes(part, size);
  const isRows = (value: Value): boolean => narrow.values.has(value);
  const parameters = [
    ...kernel.buffers.map((value, i) => `${isRows(value) ? "u16" : "f32"} *__restrict__ b${i}`),
    ...kernel.sizes.map((_, i) => `const u32 s${i}`),
  ];
  const signature = `${ENTRY}(${parameters.join(", ")})`;
  kernel.source = `${HALVES_TOOLS}${attentionText(part, size, narrow.format, signature, declarations)}`;
  return kernel;
}

export const OWN_KERNELS: OwnKernels = { closes: isOurs, kernelOf };
