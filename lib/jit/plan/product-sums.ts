/** What a workgroup does with the tiles of a product's factors: by its threads, or by matrices of its subgroups. */
import type { KernelBuilder } from "./builder.ts";
import { type MatrixShape, type ProductForm, slabOf } from "./forms.ts";
import type { Tile } from "./product-tiles.ts";

/** The sums of a workgroup's tile. They are written in slabs of some of its rows, by way of the workgroup's memory. */
export interface Sums {
  /** Adds the products of the tiles that lie in the workgroup's memory. */
  add(left: Tile, right: Tile): void;
  readonly slabs: number;
  /** Writes slab `i` into the workgroup's array `slab`, in lines as wide as the tile. */
  write(i: number): void;
  /** The row of the tile that a line of slab `i` is. */
  rowOf(i: number, line: string): string;
  /** A number of a slab. */
  read(at: string): string;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const further = (name: string, by: number): string => (by === 0 ? name : `${name} + ${by}u`);

/**
 * A thread's rows and columns lie in groups of four, those groups far apart: it reads four at a time, and neighbours read
 * neighbours.
 */
export function sumsByThreads(kernel: KernelBuilder, form: ProductForm): Sums {
  const { language } = kernel;
  const { rows, columns, eachRows, eachColumns, terms } = form;
  const [down, across] = [rows / eachRows, columns / eachColumns];
  const [high, wide] = [eachRows, eachColumns].map((each) => (each % 4 === 0 ? 4 : 1));
  const isWide = wide === 4;
  const zero = language.literal("f32", 0);
  const number = isWide ? "float4" : "f32";
  kernel.push(language.constant("u32", "ty", `lid / ${across}u`));
  kernel.push(language.constant("u32", "tx", `lid % ${across}u`));
  const lines = range(eachRows);
  const groups = range(eachColumns / wide);
  const sum = (line: number, group: number): string => `sum${line}_${group}`;
  for (const line of lines)
    for (const group of groups)
      kernel.push(language.variable(number, sum(line, group), isWide ? language.vector(zero) : zero));
  /** The place of a thread's group of rows or columns among all numbers of a line. */
  const place = (own: string, group: number, each: number, apart: number): string =>
    each % 4 === 0 ? further(`${own} * 4u`, group * apart * 4) : further(`${own} * ${each}u`, group);
  kernel.shared.push({ name: "slab", type: number, length: (slabOf(form) * columns) / wide });
  return {
    slabs: eachRows,
    add(left, right) {
      kernel.repeat("k", "0u", `${terms}u`, "1u", () => {
        range(eachRows / high).forEach((group) => {
          const at = `k * ${left.pitch}u + ${place("ty", group, eachRows, down)}`;
          if (high === 4)
            kernel.push(language.constant("float4", `left${group}`, `${left.name}[(${at}) / 4u]`));
          else kernel.push(language.constant("f32", `left${group}`, language.component(left.name, at)));
        });
        groups.forEach((group) => {
          const at = `k * ${right.pitch}u + ${place("tx", group, eachColumns, across)}`;
          const from = isWide ? `${right.name}[(${at}) / 4u]` : language.component(right.name, at);
          kernel.push(language.constant(number, `right${group}`, from));
        });
        for (const line of lines) {
          const factor = high === 4 ? `left${line >> 2}.${"xyzw"[line & 3]}` : `left${line}`;
          for (const group of groups) kernel.push(`${sum(line, group)} += ${factor} * right${group};`);
        }
      });
    },
    write(i) {
      groups.forEach((group) => {
        const at = `ty * ${columns}u + ${place("tx", group, eachColumns, across)}`;
        kernel.push(`slab[${isWide ? `(${at}) / 4u` : at}] = ${sum(i, group)};`);
      });
    },
    rowOf: (i, line) =>
      high === 4
        ? further(`${line} * 4u`, (i >> 2) * down * 4 + (i & 3))
        : further(`${line} * ${eachRows}u`, i),
    read: (at) => (isWide ? language.component("slab", at) : `slab[${at}]`),
  };
}

/** Each subgroup has a part of the tile, in matrices. */
export function sumsByMatrices(kernel: KernelBuilder, form: ProductForm, shape: MatrixShape): Sums {
  const { language } = kernel;
  const { matrix } = language;
  const { columns, eachRows, eachColumns, terms } = form;
  const { M, N, K, threads } = shape;
  const across = columns / eachColumns;
  const [high, wide] = [range(eachRows / M), range(eachColumns / N)];
  kernel.push(language.constant("u32", "own", `lid / ${threads}u`));
  kernel.push(language.constant("u32", "down0", `own / ${across}u`));
  kernel.push(language.constant("u32", "across0", `own % ${across}u * ${eachColumns}u`));
  const sum = (i: number, j: number): string => `sum${i}_${j}`;
  for (const i of high) for (const j of wide) kernel.push(matrix.variable(shape, sum(i, j)));
  kernel.shared.push({ name: "slab", type: "f32", length: slabOf(form) * columns });
  return {
    slabs: high.length,
    add(left, right) {
      for (let k = 0; k < terms; k += K)
        kernel.block("", () => {
          /** A matrix that begins at a row or column and at a term. */
          const load = (role: "left" | "right", tile: Tile, first: string): string => {
            const { name: array, pitch, alongTerms } = tile;
            const at = alongTerms ? `(${first}) * ${pitch}u + ${k}u` : `${k * pitch}u + ${first}`;
            return matrix.load(shape, role, {
              array,
              at,
              pitch,
              alongRows: alongTerms === (role === "left"),
            });
          };
          for (const i of high) {
            const first = further(`down0 * ${eachRows}u`, i * M);
            kernel.push(language.constant("matrix", `left${i}`, load("left", left, first)));
          }
          for (const j of wide)
            kernel.push(
              language.constant("matrix", `right${j}`, load("right", right, further("across0", j * N))),
            );
          for (const i of high)
            for (const j of wide) kernel.push(matrix.add(shape, sum(i, j), `left${i}`, `right${j}`));
        });
    },
    write: (i) => {
      for (const j of wide)
        kernel.push(
          matrix.store(
            shape,
            sum(i, j),
            "slab",
            `down0 * ${M * columns}u + ${further("across0", j * N)}`,
            columns,
          ),
        );
    },
    rowOf: (i, line) => further(`${line} / ${M}u * ${eachRows}u + ${line} % ${M}u`, i * M),
    read: (at) => `slab[${at}]`,
  };
}
