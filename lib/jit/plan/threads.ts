/** How the threads of a kernel share work. */
import type { KernelBuilder } from "./builder.ts";
import type { MathFunction } from "./language.ts";

/** Workgroups along one axis: a device has 65,535 at most. */
const ALONG = 32_768;
const THREADS = 64;

/** Rows of workgroups; of nothing there are none. */
const rowsOf = (count: number, along: number): number => (count === 0 ? 0 : Math.ceil(count / along));

/** A workgroup for each of `count` things; returns the name of its number. */
export function workgroups(kernel: KernelBuilder, count: number): string {
  const along = Math.min(count, ALONG);
  kernel.groups = [along, rowsOf(count, along), 1];
  kernel.workgroup = THREADS;
  const { language } = kernel;
  // The text is the same however many there are.
  kernel.push(language.constant("u32", "group", `wg.y * ${kernel.size(ALONG)} + wg.x`));
  kernel.push(`if (group >= ${kernel.size(count)}) { return; }`);
  return "group";
}

/** A thread for each of `count` things; returns the name of its number. */
export function threads(kernel: KernelBuilder, count: number): string {
  const blocks = Math.ceil(count / THREADS);
  const along = Math.min(blocks, ALONG);
  kernel.groups = [along, rowsOf(blocks, along), 1];
  kernel.workgroup = THREADS;
  kernel.push(
    kernel.language.constant(
      "u32",
      "i",
      `(wg.y * ${kernel.size(ALONG)} + wg.x) * ${kernel.size(THREADS)} + lid`,
    ),
  );
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

/** Combines what the threads of a workgroup hold; all of them get the result. */
export function combine(kernel: KernelBuilder, name: string, join: Join): string {
  if (!kernel.shared.some((array) => array.name === "part"))
    kernel.shared.push({ name: "part", type: "f32", length: THREADS });
  kernel.push(`part[lid] = ${name};`);
  kernel.barrier();
  for (let n = THREADS / 2; n > 0; n >>= 1) {
    kernel.push(`if (lid < ${n}u) { part[lid] = ${join(kernel, "part[lid]", `part[lid + ${n}u]`)}; }`);
    kernel.barrier();
  }
  const result = kernel.fresh("all");
  kernel.push(kernel.language.constant("f32", result, "part[0]"));
  kernel.barrier();
  return result;
}

/** Each thread of a workgroup takes every 64th of `count` places. */
export const eachPlace = (kernel: KernelBuilder, name: string, count: number, body: () => void): void =>
  kernel.repeat(name, "lid", kernel.size(count), `${THREADS}u`, body);
