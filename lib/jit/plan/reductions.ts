/** Reductions over any axes, in one pass. */
import { sizeOf } from "../graph.ts";
import { Index, type KernelBuilder, times } from "./builder.ts";
import { ints, type Root } from "./root.ts";
import { ROWS } from "./rows.ts";
import { sharingOf } from "./sharing.ts";
import {
  abreast,
  added,
  combine,
  type Join,
  joined,
  multiplied,
  THREADS,
  threads,
  workgroups,
} from "./threads.ts";

interface Reduction {
  start: number;
  /** What a number adds. Default: itself. */
  term?: (x: string) => string;
  join: Join;
  /** The result, from what all numbers came to and how many they are. */
  end?: (kernel: KernelBuilder, total: string, count: number) => string;
}

const LOWEST = -3.4028234663852886e38;

const reduction =
  ({ start, term = (x) => x, join, end }: Reduction): Root =>
  (kernel, node, finish, beside) => {
    const nodes = [node, ...beside];
    const [from, axesValue] = node.inputs;
    const axes = axesValue ? ints(axesValue) : from.shape.map((_, i) => i);
    const kept = from.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const parts = (node.attributes.parts as number | undefined) ?? 1;
    const isFloat = from.dtype === "float32";
    const sharing = sharingOf(from.shape, axes);
    const { count, sums } = sharing;
    const isShared = isFloat && (parts > 1 || sharing.isShared);
    const across = isShared ? sharing.across : 1;
    const lanes = THREADS / across;
    const blocks = Math.ceil(sums / across);
    let place = isShared ? workgroups(kernel, blocks * parts) : threads(kernel, sums);
    const part = parts > 1 ? kernel.let("u32", `${place} / ${kernel.size(blocks)}`) : "0u";
    if (parts > 1) place = kernel.let("u32", `${place} % ${kernel.size(blocks)}`);
    if (across > 1) place = kernel.let("u32", `${place} * ${across}u + lid % ${across}u`);
    const lane = across > 1 ? kernel.let("u32", `lid / ${across}u`) : "lid";
    const outer = new Index(
      kept.map((i) => from.shape[i]),
      undefined,
      place,
    ).coords(kernel);
    const type = isFloat ? "f32" : "i32";
    const first = kernel.language.literal(
      type,
      isFloat ? start : Math.min(Math.max(start, -(2 ** 31)), 2 ** 31 - 1),
    );
    const totals = nodes.map(() => kernel.variable(type, first));
    const add = (): void => {
      const inner = new Index(
        axes.map((i) => from.shape[i]),
        undefined,
        "r",
      ).coords(kernel);
      const at: string[] = [];
      kept.forEach((axis, i) => {
        at[axis] = outer[i];
      });
      axes.forEach((axis, i) => {
        at[axis] = inner[i];
      });
      nodes.forEach(({ inputs: [value] }, i) => {
        const x = kernel.load(value, new Index(value.shape, at));
        kernel.push(`${totals[i]} = ${join(kernel, totals[i], term(x))};`);
      });
    };
    // A part has some of the numbers, and its own place in the result.
    const each = kernel.size(Math.ceil(count / parts));
    const last = `(${part} + 1u) * ${each}`;
    const all = kernel.size(count);
    const below = parts > 1 ? kernel.let("u32", kernel.language.call("min", last, all)) : all;
    const own = parts > 1 ? kernel.let("u32", `${part} * ${each} + ${lane}`) : lane;
    const repeat = (): void =>
      kernel.repeat("r", isShared ? own : "0u", below, isShared ? `${lanes}u` : "1u", add);
    const isThere = `${place} < ${kernel.size(sums)}`;
    // All threads of a workgroup come to what they share.
    if (across > 1) kernel.block(`if (${isThere})`, repeat);
    else repeat();
    const results = isShared ? totals.map((total) => combine(kernel, total, join, across)) : totals;
    const write = (): void =>
      nodes.forEach(({ outputs: [value] }, i) => {
        const number = kernel.let(type, end ? end(kernel, results[i], count) : results[i]);
        const at = parts > 1 ? kernel.let("u32", `${times(kernel, part, sums)} + ${place}`) : place;
        finish(value, new Index(value.shape, undefined, at), number);
      });
    if (!isShared) write();
    else if (across === 1) kernel.block("if (lid == 0u)", write);
    else kernel.block(`if (lid < ${across}u && ${isThere})`, write);
  };

/** Numbers that a workgroup sums the squares of. */
const SQUARES = 16_384;
/** Sums that the squares of so many numbers are given in; more than one, as single numbers are kept elsewhere. */
export const squareSums = (count: number): number => Math.max(2, Math.ceil(count / SQUARES));

/** Of several arrays, each by workgroups of its own, which all add up what their threads have in one place. */
const squareSum: Root = (kernel, node, finish, beside) => {
  const nodes = [node, ...beside];
  const counts = nodes.map(({ outputs: [out] }) => sizeOf(out.shape));
  const sum = kernel.variable("f32", kernel.language.literal("f32", 0));
  abreast(kernel, counts, (part, group) => {
    const [x] = nodes[part].inputs;
    const end = kernel.language.call("min", `(${group} + 1u) * ${SQUARES}u`, kernel.size(sizeOf(x.shape)));
    const last = kernel.let("u32", end);
    kernel.repeat("r", `${group} * ${SQUARES}u + lid`, last, `${THREADS}u`, () => {
      const number = kernel.load(x, new Index(x.shape, undefined, "r"));
      kernel.push(`${sum} += ${number} * ${number};`);
    });
  });
  const all = combine(kernel, sum, added);
  kernel.block("if (lid == 0u)", () =>
    abreast(kernel, counts, (part, group) => {
      const [out] = nodes[part].outputs;
      finish(out, new Index(out.shape, undefined, group), all);
    }),
  );
};

const simple: Readonly<Record<string, Root>> = {
  ReduceSum: reduction({ start: 0, join: added }),
  ReduceMean: reduction({
    start: 0,
    join: added,
    end: (kernel, total, count) => `${total} / ${kernel.language.convert("u32", "f32", kernel.size(count))}`,
  }),
  ReduceSumSquare: reduction({ start: 0, term: (x) => `${x} * ${x}`, join: added }),
  ReduceProd: reduction({ start: 1, join: multiplied }),
  ReduceMax: reduction({ start: LOWEST, join: joined("max") }),
  ReduceMin: reduction({ start: -LOWEST, join: joined("min") }),
};

export const REDUCTIONS: Readonly<Record<string, Root>> = {
  ...simple,
  ...Object.fromEntries(Object.entries(simple).map(([op, root]) => [`ditlab.Partial${op}`, root])),
  "ditlab.SquareSums": squareSum,
  ...ROWS,
};
