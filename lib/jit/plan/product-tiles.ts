/** How the tiles of a product's factors come into the workgroup's memory. */
import type { Value } from "../graph.ts";
import { Index, type KernelBuilder } from "./builder.ts";
import { type ProductForm, paddingOf, threadsOf } from "./forms.ts";

/** A factor of a product, as [rows or columns, terms] or, where its terms come last, the other way round. */
export interface Factor {
  value: Value;
  /** Its batch's coordinates. */
  batch: readonly string[];
  /** The first row or column of the workgroup's tile, how many there are in all, and how many in a tile. */
  first: string;
  count: number;
  width: number;
  termsLast: boolean;
  depth: number;
}

/** A tile in the workgroup's memory. */
export interface Tile {
  readonly name: string;
  /** Whether neighbours in it are terms, rather than rows or columns. */
  readonly alongTerms: boolean;
  /** How far its lines lie apart. */
  readonly pitch: number;
  /** Fetches a thread's share of the terms from `k0` to below `end` into variables of its own. */
  fetch(k0: string, end: string): void;
  /** Brings what was fetched into the workgroup's memory. */
  bring(): void;
}

/** A quotient or remainder of a thread's number plus a multiple of the threads, all of them powers of two. */
function dealt(i: number, threads: number, by: number): { quotient: string; remainder: string } {
  const before = i * threads;
  if (threads % by === 0)
    return {
      quotient: before === 0 ? `lid / ${by}u` : `lid / ${by}u + ${before / by}u`,
      remainder: `lid % ${by}u`,
    };
  const rest = before % by;
  return { quotient: `${Math.floor(before / by)}u`, remainder: rest === 0 ? "lid" : `lid + ${rest}u` };
}

/**
 * What is fetched while the tiles before are multiplied waits in variables, as memory is far away. Beyond the last term
 * numbers are 0; beyond the last row they are those of the last one, whose sums nobody keeps.
 */
export function tileOf(kernel: KernelBuilder, form: ProductForm, name: string, factor: Factor): Tile {
  const { language } = kernel;
  const { value, batch, first, count, width, termsLast, depth } = factor;
  const { terms, matrices } = form;
  const threads = threadsOf(form);
  // Matrices are read along either axis; a thread reads rows of its own beside each other.
  const alongTerms = matrices !== undefined && termsLast;
  const pitch = (alongTerms ? terms : width) + paddingOf(form);
  const share = (width * terms) / threads;
  const length = (alongTerms ? width : terms) * pitch;
  kernel.shared.push(matrices ? { name, type: "f16", length } : { name, type: "float4", length: length / 4 });
  const places = Array.from({ length: share }, (_, i) => {
    // Neighbouring threads take neighbours in memory.
    const { quotient, remainder } = dealt(i, threads, termsLast ? terms : width);
    const [across, along] = termsLast ? [quotient, remainder] : [remainder, quotient];
    const last = `${kernel.size(count)} - 1u`;
    const row = count === 1 ? "0u" : language.call("min", `${first} + ${across}`, last);
    return { across, along, row: kernel.let("u32", row) };
  });
  for (let i = 0; i < share; i++)
    kernel.push(language.variable("f32", `${name}${i}`, language.literal("f32", 0)));
  return {
    name,
    alongTerms,
    pitch,
    fetch: (k0, end) =>
      places.forEach(({ row, along }, i) => {
        const term = kernel.let("u32", `${k0} + ${along}`);
        const last =
          depth === 1 ? "0u" : kernel.let("u32", language.call("min", term, `${kernel.size(depth)} - 1u`));
        const at = termsLast ? [row, last] : [last, row];
        const own = value.shape.slice(-2).map((size, axis) => (size === 1 ? "0u" : at[axis]));
        const number = kernel.load(value, new Index(value.shape, [...batch, ...own]));
        kernel.push(
          `${name}${i} = ${language.select(`${term} < ${end}`, number, language.literal("f32", 0))};`,
        );
      }),
    bring: () =>
      places.forEach(({ across, along }, i) => {
        const [line, place] = alongTerms ? [across, along] : [along, across];
        const at = `(${line}) * ${pitch}u + ${place}`;
        const number = `${name}${i}`;
        if (matrices) kernel.push(`${name}[${at}] = ${language.matrix.rounded(matrices, number)};`);
        else kernel.push(`${language.component(name, at)} = ${number};`);
      }),
  };
}
