/**
 * What the kernels of attention share: workgroups that own some rows of a head, and meet all rows of another kind in tiles.
 *
 * A thread holds the scores of a block of pairs, and a block of the results, each number under a name of its own, so that
 * all of them lie in registers. What it multiplies comes from the workgroup's memory in vectors of four, and each number
 * that is read is used for a whole row or column of the block.
 */
import type { GraphNode, Value } from "../graph.ts";
import type { AttentionTiles } from "./attention-forms.ts";
import { Index, type KernelBuilder } from "./builder.ts";
import { type Held, heldNumbers, partsOf } from "./held.ts";
import type { Scalar, Vector } from "./language.ts";
import type { Root } from "./root.ts";
import { workgroups } from "./threads.ts";

/** Vectors that a thread asks the device's memory for at a time, before it waits for them. */
const AHEAD = 5;

/** What the kernels of attention have in common. */
export class Heads {
  readonly size: number;
  readonly tiles: AttentionTiles;
  private readonly held: readonly Held[];
  /** What is read from the workgroup's memory at a time, and the parts of it. */
  private readonly type: Scalar | Vector;
  private readonly parts: readonly string[];

  constructor(
    readonly kernel: KernelBuilder,
    { attributes }: GraphNode,
    /** Of the rows that workgroups own. */
    private readonly owned: Value,
    { scores, results }: { scores: number; results: number },
  ) {
    const heads = attributes.heads as number;
    const [batch, rows, width] = owned.shape;
    this.size = width / heads;
    this.tiles = kernel.style.attentionOf({ size: this.size, scores, results });
    const { language } = kernel;
    const { own, met, groups, lanes, threads, ownStride, metStride } = this.tiles;
    const blocks = Math.ceil(rows / own);
    workgroups(kernel, batch * heads * blocks);
    kernel.workgroup = threads;
    this.parts = partsOf(this.tiles.vector);
    this.type = this.parts.length === 1 ? "f32" : "float4";
    kernel.shared.push({ name: "own", type: this.type, length: own * ownStride });
    kernel.shared.push({ name: "met", type: this.type, length: met * metStride });
    const row0 = `(group % ${kernel.size(blocks)}) * ${own}u`;
    kernel.push(language.constant("u32", "row0", row0));
    kernel.push(language.constant("u32", "h", `(group / ${kernel.size(blocks)}) % ${kernel.size(heads)}`));
    kernel.push(language.constant("u32", "n", `group / ${kernel.size(blocks * heads)}`));
    // Threads that run together stand in a square rather than in a row: so they read fewer different numbers.
    kernel.push(language.constant("u32", "r", `(lid / 8u) % ${groups}u`));
    kernel.push(
      language.constant("u32", "lane", lanes === 8 ? "lid % 8u" : `lid % 8u + lid / ${8 * groups}u * 8u`),
    );
    kernel.push(language.constant("u32", "own_row", `r * ${ownStride}u`));
    kernel.push(language.constant("u32", "met_row", `lane * ${metStride}u`));
    kernel.push(language.constant("f32", "scale", this.f(1 / Math.sqrt(this.size))));
    this.held = heldNumbers(kernel, this.tiles, this.size);
  }

  f(value: number): string {
    return this.kernel.language.literal("f32", value);
  }

  /** Numbers that are read as one. */
  private packed(numbers: readonly string[]): string {
    return numbers.length === 1 ? numbers[0] : this.kernel.language.vector(...numbers);
  }

  /** The place of a row's number in the heads' part of [B,T,D]. */
  index({ shape }: Value, row: string, e: string): Index {
    const column = this.kernel.let("u32", `h * ${this.size}u + ${e}`);
    return new Index(shape, [shape[0] === 1 ? "0u" : "n", shape[1] === 1 ? "0u" : row, column]);
  }

  /** The number of a row's statistic, [B,heads,T]. */
  statistic(value: Value, row: string): string {
    return this.kernel.load(value, this.statisticIndex(value, row));
  }

  statisticIndex({ shape }: Value, row: string): Index {
    const at = ["n", "h", row];
    return new Index(
      shape,
      shape.map((size, i) => (size === 1 ? "0u" : at[i])),
    );
  }

  /** Each of the own rows that a thread has, `row` its place among all. */
  eachOwn(body: (i: number, row: string) => void): void {
    for (let i = 0; i < this.tiles.eachOwn; i++)
      body(i, this.kernel.let("u32", `row0 + r + ${i * this.tiles.groups}u`));
  }

  /** Each of the tile's rows that a thread has, `other` its place among all. */
  eachMet(body: (j: number, other: string) => void): void {
    const { vector } = this.tiles;
    for (let j = 0; j < vector; j++) body(j, this.kernel.let("u32", `first + lane * ${vector}u + ${j}u`));
  }

  /** Each pair that a thread scores, by the names of its rows. */
  eachPair(body: (pair: string, i: number, j: number) => void): void {
    for (let i = 0; i < this.tiles.eachOwn; i++)
      for (let j = 0; j < this.tiles.vector; j++) body(`${i}_${j}`, i, j);
  }

  /** Runs through rows of the other kind, a tile at a time from `first` on. */
  meet(count: number, body: () => void): void {
    this.kernel.repeat("first", "0u", this.kernel.size(count), `${this.tiles.met}u`, body);
  }

  /**
   * Brings a piece of rows from `first` on into the workgroup's memory. Beyond the last row is the last again, which no
   * weight and no result is made of; beyond a row's last number is 0. Rows that are met lie in such an order that the
   * neighbours of a thread are as far apart as there are lanes: threads that run together read from different banks.
   */
  private bring(memory: "own" | "met", value: Value, start?: string): void {
    const { kernel, size } = this;
    const { language } = kernel;
    const { own, met, lanes, width, pieces, threads, vector: each, ownStride, metStride } = this.tiles;
    const [rows, stride] = memory === "own" ? [own, ownStride] : [met, metStride];
    const last = value.shape[1] === 1 ? "0u" : `${kernel.size(value.shape[1])} - 1u`;
    const vectors = width / each;
    const together = each === 1 ? 1 : Math.min(AHEAD, Math.ceil((rows * vectors) / threads));
    kernel.repeat("x", "lid", `${rows * vectors}u`, `${together * threads}u`, () => {
      const stores = Array.from({ length: together }, (_, k) => {
        const at = kernel.let("u32", k === 0 ? "x" : `x + ${k * threads}u`);
        const line = kernel.let("u32", `${at} / ${vectors}u`);
        const vector = kernel.let("u32", `${at} % ${vectors}u`);
        const row =
          memory === "own"
            ? `row0 + ${line}`
            : `first + ${line} % ${lanes}u * ${each}u + ${line} / ${lanes}u`;
        const source = kernel.let("u32", language.call("min", row, last));
        const numbers = this.parts.map((_, m) => {
          const e = kernel.let("u32", `${start ? `${start} + ` : ""}${vector} * ${each}u + ${m}u`);
          if ((pieces - 1) * width + each * (vectors - 1) + m < size)
            return kernel.load(value, this.index(value, source, e));
          const within = kernel.let("u32", language.call("min", e, `${size - 1}u`));
          const number = kernel.load(value, this.index(value, source, within));
          return language.select(`${e} < ${size}u`, number, this.f(0));
        });
        return { at, store: `${memory}[${line} * ${stride}u + ${vector}] = ${this.packed(numbers)};` };
      });
      // All are on their way before the first is waited for.
      for (const [k, { at, store }] of stores.entries())
        if (k === 0 || (rows * vectors) % (threads * together) === 0) kernel.push(store);
        else kernel.block(`if (${at} < ${rows * vectors}u)`, () => kernel.push(store));
    });
  }

  /** For each pair, under the name and that of the pair, the sum of products of an own row and one that it meets. */
  dots(name: string, own: Value, met: Value): void {
    const { kernel } = this;
    const { language } = kernel;
    const { pieces, width, groups, lanes, ownStride, metStride } = this.tiles;
    this.eachPair((pair) => kernel.push(language.variable("f32", name + pair, this.f(0))));
    const piece = (start?: string): void => {
      kernel.barrier();
      this.bring("own", own, start);
      this.bring("met", met, start);
      kernel.barrier();
      kernel.repeat("e", "0u", `${width / this.tiles.vector}u`, "1u", () => {
        for (let i = 0; i < this.tiles.eachOwn; i++)
          kernel.push(language.constant(this.type, `a${i}`, `own[own_row + ${i * groups * ownStride}u + e]`));
        for (let j = 0; j < this.tiles.vector; j++)
          kernel.push(language.constant(this.type, `c${j}`, `met[met_row + ${j * lanes * metStride}u + e]`));
        this.eachPair((pair, i, j) => {
          const products = this.parts.map((part) => `a${i}${part} * c${j}${part}`);
          kernel.push(`${name}${pair} = ${[name + pair, ...products].join(" + ")};`);
        });
      });
    };
    if (pieces === 1) piece();
    else kernel.repeat("start", "0u", `${pieces * width}u`, `${width}u`, () => piece("start"));
  }

  /** Puts a number of each pair in the own rows' place, which nobody may be reading any more. */
  putWeights(name: string): void {
    const { groups, ownStride } = this.tiles;
    for (let i = 0; i < this.tiles.eachOwn; i++) {
      const vector = this.packed(this.parts.map((_, j) => `${name}${i}_${j}`));
      this.kernel.push(`own[own_row + ${i * groups * ownStride}u + lane] = ${vector};`);
    }
  }

  /** Sums of results, all 0. */
  begin(name: string): void {
    const { kernel, held } = this;
    const { language } = kernel;
    for (let i = 0; i < this.tiles.eachOwn; i++)
      for (const [k, { type }] of held.entries()) {
        const zero = type === "float4" ? language.vector(this.f(0)) : this.f(0);
        kernel.push(language.variable(type, `${name}${i}_${k}`, zero));
      }
  }

  /** Adds to each own row's sums the rows that it meets, each by its weight; they may have been brought already. */
  addWeighted(name: string, value: Value, isThere: boolean): void {
    const { kernel, held } = this;
    const { language } = kernel;
    const { pieces, width, groups, lanes, ownStride, metStride } = this.tiles;
    for (let piece = 0; piece < pieces; piece++) {
      if (piece > 0) kernel.barrier();
      if (!isThere || pieces > 1) this.bring("met", value, piece === 0 ? undefined : `${piece * width}u`);
      kernel.barrier();
      kernel.repeat("c", "0u", `${lanes}u`, "1u", () => {
        for (let i = 0; i < this.tiles.eachOwn; i++)
          kernel.push(language.constant(this.type, `a${i}`, `own[own_row + ${i * groups * ownStride}u + c]`));
        for (const [j, part] of this.parts.entries())
          for (const [k, { piece: itsPiece, type, vector, part: own }] of held.entries()) {
            if (itsPiece !== piece) continue;
            const place = `met[c * ${metStride}u + ${j * lanes * metStride}u + ${vector}]`;
            const factor = `c${j}_${k}`;
            kernel.push(language.constant(type, factor, own ? language.part(place, own) : place));
            for (let i = 0; i < this.tiles.eachOwn; i++)
              kernel.push(`${name}${i}_${k} = ${name}${i}_${k} + a${i}${part} * ${factor};`);
          }
      });
    }
  }

  /** Multiplies each own row's sums. */
  multiply(name: string, by: (i: number) => string): void {
    for (let i = 0; i < this.tiles.eachOwn; i++)
      for (const k of this.held.keys()) this.kernel.push(`${name}${i}_${k} = ${name}${i}_${k} * ${by(i)};`);
  }

  /** Stores each own row's sums, or what is made of one. */
  store(
    value: Value,
    finish: Parameters<Root>[2],
    name: string,
    made: (sum: string, i: number) => string,
  ): void {
    const { kernel, size } = this;
    const { width, lanes } = this.tiles;
    const storeHeld = (i: number, row: string, k: number, { type, from, piece }: Held): void => {
      const end = Math.min(size, (piece + 1) * width);
      const parts = partsOf(type === "float4" ? 4 : 1);
      for (const [m, part] of parts.entries()) {
        const e = kernel.let("u32", `lane * ${parts.length}u + ${from + m}u`);
        const store = (): void => {
          const number = kernel.let("f32", made(`${name}${i}_${k}${part}`, i));
          finish(value, this.index(value, row, e), number);
        };
        if (from + parts.length * lanes <= end) store();
        else kernel.block(`if (${e} < ${end}u)`, store);
      }
    };
    this.eachOwn((i, row) =>
      kernel.block(`if (${row} < ${kernel.size(this.owned.shape[1])})`, () => {
        for (const [k, held] of this.held.entries()) storeHeld(i, row, k, held);
      }),
    );
  }

  /**
   * Joins a number of each own row over the row's threads, and gives them all what comes of it. They tell each other in the
   * own rows' place, or in memory of their own.
   */
  acrossLanes(memory: "own" | "part", name: string, join: (a: string, b: string) => string): void {
    const { kernel } = this;
    const { language } = kernel;
    const { eachOwn, groups, lanes, threads } = this.tiles;
    if (memory === "part" && !kernel.shared.some((array) => array.name === "part"))
      kernel.shared.push({ name: "part", type: this.type, length: threads });
    const numbers = this.parts.map((_, i) => (i < eachOwn ? `${name}${i}` : this.f(0)));
    kernel.push(`${memory}[lane * ${groups}u + r] = ${this.packed(numbers)};`);
    kernel.barrier();
    const told = kernel.fresh("told");
    kernel.push(language.variable(this.type, told, `${memory}[r]`));
    const eachTold = (join: (i: number) => string): void => {
      for (let i = 0; i < eachOwn; i++) kernel.push(`${name}${i} = ${join(i)};`);
    };
    eachTold((i) => `${told}${this.parts[i]}`);
    kernel.repeat("other", "1u", `${lanes}u`, "1u", () => {
      kernel.push(`${told} = ${memory}[other * ${groups}u + r];`);
      eachTold((i) => join(`${name}${i}`, `${told}${this.parts[i]}`));
    });
  }

  /** The first thread of each own row that there is. */
  onceARow(body: (i: number, row: string) => void): void {
    this.eachOwn((i, row) =>
      this.kernel.block(`if (lane == 0u && ${row} < ${this.kernel.size(this.owned.shape[1])})`, () =>
        body(i, row),
      ),
    );
  }
}
