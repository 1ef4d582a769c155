/** How the threads of a kernel share work. */
import type { KernelBuilder } from "./builder.ts";
import type { MathFunction } from "./language.ts";

/** Workgroups along one axis: a device has 65,535 at most. */
const ALONG = 32_768;
export const THREADS = 64;

/** The number of a workgroup, of the part that is being written. The text is the same however many there are. */
const numberOf = (kernel: KernelBuilder): string => kernel.part ?? `wg.y * ${kernel.size(ALONG)} + wg.x`;

/** Writes parts one beside the other, each with workgroups of its own, as many as `counts` says, numbered by `group`. */
export function abreast(
  kernel: KernelBuilder,
  counts: readonly number[],
  write: (part: number, group: string) => void,
): void {
  const block = kernel.let("u32", numberOf(kernel));
  let start = 0;
  counts.forEach((count, part) => {
    kernel.newSizes();
    const end = start + count;
    const head = `if (${block} < ${kernel.size(end)})`;
    kernel.block(part === 0 ? head : `else ${head}`, () => {
      kernel.part = part === 0 ? block : kernel.let("u32", `${block} - ${kernel.size(start)}`);
      write(part, kernel.part);
    });
    kernel.part = undefined;
    start = end;
  });
  const along = Math.min(start, ALONG);
  kernel.groups = [along, Math.ceil(start / along), 1];
}

/** Rows of workgroups; of nothing there are none. */
const rowsOf = (count: number, along: number): number => (count === 0 ? 0 : Math.ceil(count / along));

/** A workgroup for each of `count` things; returns the name of its number. */
export function workgroups(kernel: KernelBuilder, count: number): string {
  const along = Math.min(count, ALONG);
  kernel.groups = [along, rowsOf(count, along), 1];
  kernel.workgroup = THREADS;
  const { language } = kernel;
  kernel.push(language.constant("u32", "group", numberOf(kernel)));
  kernel.push(`if (group >= ${kernel.size(count)}) { return; }`);
  return "group";
}

/** A thread for each of `count` things; returns the name of its number. */
export function threads(kernel: KernelBuilder, count: number): string {
  const blocks = Math.ceil(count / THREADS);
  const along = Math.min(blocks, ALONG);
  kernel.groups = [along, rowsOf(blocks, along), 1];
  kernel.workgroup = THREADS;
  kernel.push(kernel.language.constant("u32", "i", `(${numberOf(kernel)}) * ${kernel.size(THREADS)} + lid`));
  kernel.push(`if (i >= ${kernel.size(count)}) { return; }`);
  return "i";
}

/** How two partial results become one. */
export type Join = (kernel: KernelBuilder, a: string, b: string) => string;
export const added: Join = (_, a, b) => `${a} + ${b}`;
export const multiplied: Join = (_, a, b) => `${a} * ${b}`;
export const joined =
  (fn: MathFunction): Join =>
  ({ language }, a, b) =>
    language.call(fn, a, b);

/** Numbers that a thread combines one after the other: their number is the root of the threads'. */
const ROOT = 8;

/**
 * Combines what the threads of a workgroup hold: all of them, or of `across` sums side by side those that belong to one.
 * Each thread gets the result of its sum. In few steps, as each is a barrier.
 */
export function combine(kernel: KernelBuilder, name: string, join: Join, across = 1): string {
  if (!kernel.shared.some((array) => array.name === "part"))
    kernel.shared.push({ name: "part", type: "f32", length: THREADS });
  const { language } = kernel;
  /** Of `count` numbers, `by` apart. */
  const combined = (first: string, count: number, by: number): string => {
    const result = kernel.fresh("all");
    kernel.push(language.variable("f32", result, `part[${first}]`));
    kernel.repeat("n", "1u", `${count}u`, "1u", () =>
      kernel.push(`${result} = ${join(kernel, result, `part[${first} + n * ${by}u]`)};`),
    );
    return result;
  };
  kernel.push(`part[lid] = ${name};`);
  kernel.barrier();
  if (across === 1) {
    // Each of the first threads writes where it alone has read.
    kernel.block(`if (lid < ${ROOT}u)`, () => {
      const own = combined(`lid * ${ROOT}u`, ROOT, 1);
      kernel.push(`part[lid * ${ROOT}u] = ${own};`);
    });
    kernel.barrier();
  }
  const result =
    across === 1 ? combined("0u", ROOT, ROOT) : combined(`lid % ${across}u`, THREADS / across, across);
  kernel.barrier();
  return result;
}

/** Each thread of a workgroup takes every 64th of `count` places. */
export const eachPlace = (kernel: KernelBuilder, name: string, count: number, body: () => void): void =>
  kernel.repeat(name, "lid", kernel.size(count), `${THREADS}u`, body);
