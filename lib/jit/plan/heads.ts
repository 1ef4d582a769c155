/** What the kernels of attention share: workgroups that own some rows of a head, and meet all rows of another kind in tiles. */
import type { GraphNode, Value } from "../graph.ts";
import { Index, type KernelBuilder } from "./builder.ts";
import type { Root } from "./root.ts";
import { THREADS, workgroups } from "./threads.ts";

/** Numbers of the workgroup's memory that tiles may take: three quarters of what every device has. */
const MEMORY = 3072;

/** How a workgroup shares rows of heads: it owns `rows` of them, each by `lanes` threads, and meets `others` at a time. */
interface Tiles {
  rows: number;
  others: number;
  lanes: number;
  /** Numbers of a row that a thread holds. */
  each: number;
}

/** The largest tiles that fit, where so many arrays of rows are held of each kind. */
export function tilesFor(size: number, own: number, met: number): Tiles {
  let rows = 16;
  while (rows > 1 && (own * rows + (met * rows) / 2) * (size + 1) > MEMORY) rows /= 2;
  const lanes = THREADS / rows;
  return { rows, others: Math.max(1, rows / 2), lanes, each: Math.ceil(size / lanes) };
}

/** What the kernels of attention have in common. */
export class Heads {
  readonly size: number;
  readonly tiles: Tiles;
  private readonly batch: number;

  constructor(
    readonly kernel: KernelBuilder,
    { attributes }: GraphNode,
    /** Of the rows that workgroups own. */
    private readonly owned: Value,
    { own, met }: { own: number; met: number },
  ) {
    const heads = attributes.heads as number;
    const [batch, rows, width] = owned.shape;
    this.batch = batch;
    this.size = width / heads;
    this.tiles = tilesFor(this.size, own, met);
    const { language } = kernel;
    const blocks = Math.ceil(rows / this.tiles.rows);
    workgroups(kernel, batch * heads * blocks);
    const row0 = `(group % ${kernel.size(blocks)}) * ${this.tiles.rows}u`;
    kernel.push(language.constant("u32", "row0", row0));
    kernel.push(language.constant("u32", "h", `(group / ${kernel.size(blocks)}) % ${kernel.size(heads)}`));
    kernel.push(language.constant("u32", "n", `group / ${kernel.size(blocks * heads)}`));
    kernel.push(language.constant("u32", "r", `lid / ${this.tiles.lanes}u`));
    kernel.push(language.constant("u32", "lane", `lid % ${this.tiles.lanes}u`));
    kernel.push(language.constant("u32", "row", "row0 + r"));
    kernel.push(language.constant("f32", "scale", this.f(1 / Math.sqrt(this.size))));
  }

  f(value: number): string {
    return this.kernel.language.literal("f32", value);
  }

  /** The place of a row's number in the heads' part of [B,T,D]. */
  index({ shape }: Value, row: string, e: string): Index {
    const column = this.kernel.let("u32", `h * ${this.kernel.size(this.size)} + ${e}`);
    return new Index(shape, [this.batch === 1 ? "0u" : "n", shape[1] === 1 ? "0u" : row, column]);
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

  share(name: string, rows: number): string {
    this.kernel.shared.push({ name, type: "f32", length: rows * (this.size + 1) });
    return name;
  }

  /** Brings rows from `first` on into the workgroup's memory; beyond the last they are 0. */
  bring(name: string, value: Value, first: string, rows: number): void {
    const { kernel, size } = this;
    kernel.repeat("x", "lid", `${rows}u * ${kernel.size(size)}`, `${THREADS}u`, () => {
      kernel.push(kernel.language.constant("u32", "e", `x % ${kernel.size(size)}`));
      kernel.push(kernel.language.constant("u32", "line", `x / ${kernel.size(size)}`));
      kernel.push(kernel.language.constant("u32", "source", `${first} + line`));
      kernel.push(kernel.language.variable("f32", "number", this.f(0)));
      kernel.block(`if (source < ${kernel.size(value.shape[1])})`, () =>
        kernel.push(`number = ${kernel.load(value, this.index(value, "source", "e"))};`),
      );
      kernel.push(`${name}[${this.at("line", "e")}] = number;`);
    });
  }

  /** Rows lie one number apart, so that threads which read down a column do not wait for each other. */
  at(line: string, e: string): string {
    return `${line} * (${this.kernel.size(this.size)} + 1u) + ${e}`;
  }

  /** Sums of products of rows in the workgroup's memory. */
  dots(pairs: readonly { sum: string; a: string; line: string; b: string; other: string }[]): void {
    const { kernel } = this;
    for (const { sum } of pairs) kernel.push(kernel.language.variable("f32", sum, this.f(0)));
    kernel.repeat("e", "0u", kernel.size(this.size), "1u", () => {
      for (const { sum, a, line, b, other } of pairs)
        kernel.push(`${sum} += ${a}[${this.at(line, "e")}] * ${b}[${this.at(other, "e")}];`);
    });
  }

  /** Runs through rows of the other kind, a tile at a time from `first` on. */
  meet(count: number, body: () => void): void {
    const { kernel } = this;
    kernel.repeat("first", "0u", kernel.size(count), `${this.tiles.others}u`, body);
  }

  /** Each of the thread's numbers of its own row, `e`, the `j`-th that it holds. */
  eachOwn(body: () => void): void {
    const { kernel, tiles } = this;
    kernel.repeat("j", "0u", `${tiles.each}u`, "1u", () => {
      kernel.push(kernel.language.constant("u32", "e", `j * ${tiles.lanes}u + lane`));
      kernel.block(`if (e < ${kernel.size(this.size)})`, body);
    });
  }

  /** Each pair of the own row and a row of the tile, `c`, whose number `other` there is one of. */
  eachPair(count: number, body: (isThere: string) => void): void {
    const { kernel, tiles } = this;
    kernel.repeat("c", "lane", `${tiles.others}u`, `${tiles.lanes}u`, () => {
      kernel.push(kernel.language.constant("u32", "other", "first + c"));
      body(`other < ${kernel.size(count)}`);
    });
  }

  /** Stores the thread's numbers of its own row. */
  store(value: Value, finish: Parameters<Root>[2], number: string): void {
    const { kernel } = this;
    this.eachOwn(() =>
      kernel.block(`if (row < ${kernel.size(this.owned.shape[1])})`, () =>
        finish(value, this.index(value, "row", "e"), kernel.let("f32", number)),
      ),
    );
  }

  /** The first thread of each row that there is. */
  onceARow(body: () => void): void {
    this.kernel.block(`if (lane == 0u && row < ${this.kernel.size(this.owned.shape[1])})`, body);
  }

  numbers(name: string): void {
    this.kernel.push(this.kernel.language.local({ name, type: "f32", length: this.tiles.each }));
  }
}
