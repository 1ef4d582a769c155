/** Writes a kernel: expressions of an index, each made once, and the statements around them. */
import { type GraphNode, sizeOf, type Value } from "../graph.ts";
import type { Language, LocalArray, Scalar, Style } from "./language.ts";
import type { ProductCall } from "./library.ts";

export const scalarOf = ({ dtype }: Value): Scalar =>
  dtype === "float32" || dtype === "float64" ? "f32" : dtype === "bool" ? "bool" : "i32";

/** How a type lies in memory. */
const storedAs = (type: Scalar): Scalar => (type === "bool" ? "u32" : type);

/** What is known of values while kernels are written. */
export interface Placement {
  /** Values that lie in memory: what is not among them is computed where it is read. */
  readonly stored: ReadonlySet<Value>;
  /** Single numbers, by their place in the array of scalars. */
  readonly scalars: ReadonlyMap<Value, number>;
  /** Results that are written over an argument, and which. */
  readonly over?: ReadonlyMap<Value, Value>;
  /** Values that lie in memory in half the width, and in which format. */
  readonly narrow?: { readonly values: ReadonlySet<Value>; readonly format: "float16" | "bfloat16" };
  /** Values that are written as parts of others. */
  readonly parts?: ReadonlyMap<Value, JoinedPart>;
}

/** Where a value is written as a part of another. */
export interface JoinedPart {
  whole: Value;
  axis: number;
  /** Where along the axis it begins. */
  start: number;
}

/** The name of a thread's own place, in kernels that have a thread for each number. */
export const OWN_PLACE = "i";

/** Writes the expression of a value at an index. */
export type Expression = (kernel: KernelBuilder, value: Value, index: Index) => string;

export class KernelBuilder {
  /** Arrays it reads and writes, in the order of its bindings. */
  readonly buffers: Value[] = [];
  readonly read = new Set<Value>();
  /** Of those it reads, what it reads at another place than the thread's own, `i`. */
  readonly readElsewhere = new Set<Value>();
  readonly written = new Set<Value>();
  readonly sizes: number[] = [];
  readonly shared: LocalArray[] = [];
  readonly lines: string[] = [];
  usesScalars = false;
  /** Its whole text, where it is one of the device's own; and the bytes of a workgroup's memory that it is launched with. */
  source?: string;
  sharedBytes = 0;
  /** What a library of the device computes in place of a text. */
  call?: ProductCall;
  /** The node that it is for above all, as profiles name it. */
  node?: GraphNode;
  workgroup = 64;
  /** Workgroups along x, y and z. */
  groups: [number, number, number] = [1, 1, 1];
  /** The number of the workgroup among those of the part that is being written, where a kernel has several. */
  part?: string;
  /** Values that are at hand under a name, at the index of the thread. */
  readonly local = new Map<Value, string>();
  /** What expressions have been named, of the outermost block first. */
  private readonly made = [new Map<string, string>()];
  private count = 0;
  private firstSize = 0;
  private depth = 1;

  readonly language: Language;

  constructor(
    readonly style: Style,
    readonly placement: Placement,
    private readonly expressionOf: Expression,
    /** In profiles and errors. */
    public label: string,
  ) {
    this.language = style.language;
  }

  /** A number of the shapes: 0 and 1 belong to the text, others are given to the kernel. */
  size(value: number): string {
    if (value <= 1) return `${value}u`;
    let place = this.sizes.indexOf(value, this.firstSize);
    if (place < 0) place = this.sizes.push(value) - 1;
    return `s${place}`;
  }

  /** From here on sizes are other ones than before, also equal ones: so that parts differ in nothing but their numbers. */
  newSizes(): void {
    this.firstSize = this.sizes.length;
  }

  push(line: string): void {
    this.lines.push(`${"  ".repeat(this.depth)}${line}`);
  }

  fresh(prefix = "t"): string {
    return `${prefix}${this.count++}`;
  }

  /** The name of what an expression gives; one that has been made before is not made again. */
  let(type: Scalar, expression: string): string {
    return /^\w+$/.test(expression) ? expression : this.named(type, expression);
  }

  /** What an expression would give is at hand under a name. */
  know(type: Scalar, expression: string, name: string): void {
    this.made.at(-1)!.set(`${type} ${expression}`, name);
  }

  private named(type: Scalar, expression: string): string {
    const key = `${type} ${expression}`;
    for (let block = this.made.length - 1; block >= 0; block--) {
      const known = this.made[block].get(key);
      if (known) return known;
    }
    const name = this.fresh();
    this.push(this.language.constant(type, name, expression));
    this.made.at(-1)!.set(key, name);
    return name;
  }

  variable(type: Scalar, expression: string): string {
    const name = this.fresh("v");
    this.push(this.language.variable(type, name, expression));
    return name;
  }

  /** Statements in braces; what is made within is forgotten behind. */
  block(head: string, body: () => void): void {
    this.made.push(new Map());
    this.push(`${head} {`);
    this.depth++;
    body();
    this.depth--;
    this.push("}");
    this.made.pop();
  }

  /** A loop over `name` from `start` to below `end`. */
  repeat(name: string, start: string, end: string, by: string, body: () => void): void {
    const head = `for (${this.language.variable("u32", name, start)} ${name} < ${end}; ${name} += ${by})`;
    this.block(head, body);
  }

  barrier(): void {
    this.push(this.language.barrier);
  }

  /** The number at an index of a value: from memory, or computed here. */
  load(value: Value, index: Index): string {
    const type = scalarOf(value);
    // Under a name: a compiler computes with literals itself, and refuses what comes out infinite or as no number.
    if (value.data && sizeOf(value.shape) === 1)
      return this.named(type, this.language.literal(type, Number(value.data[0])));
    const local = this.local.get(value);
    if (local !== undefined) return local;
    const scalar = this.placement.scalars.get(value);
    if (scalar !== undefined) {
      this.usesScalars = true;
      const bits = `scalars[${this.size(scalar)}]`;
      return this.let(type, type === "bool" ? `(${bits} != 0u)` : this.language.bits("u32", type, bits));
    }
    if (!value.node || this.placement.stored.has(value)) {
      const at = index.linear(this);
      this.read.add(value);
      if (at !== OWN_PLACE) this.readElsewhere.add(value);
      const place = `${this.buffer(value)}[${at}]`;
      const format = this.formatOf(value);
      const element = format ? this.language.widened(format, place) : place;
      return this.let(type, type === "bool" ? `(${element} != 0u)` : element);
    }
    return this.let(type, this.expressionOf(this, value, index));
  }

  /** Writes a number of a value, at its place in memory. */
  store(value: Value, at: string, number: string): void {
    const part = this.placement.parts?.get(value);
    if (part) {
      const own = [...new Index(value.shape, undefined, at).coords(this)];
      own[part.axis] = plus(this, own[part.axis], part.start);
      this.store(part.whole, new Index(part.whole.shape, own).linear(this), number);
      return;
    }
    const type = scalarOf(value);
    const scalar = this.placement.scalars.get(value);
    const bits = type === "bool" ? this.language.convert("bool", "u32", number) : number;
    if (scalar === undefined) {
      this.written.add(value);
      const format = this.formatOf(value);
      const element = format ? this.language.narrowed(format, this.let("f32", bits)) : bits;
      this.push(`${this.buffer(value)}[${at}] = ${element};`);
    } else {
      this.usesScalars = true;
      this.push(`scalars[${this.size(scalar)}] = ${this.language.bits(storedAs(type), "u32", bits)};`);
    }
  }

  private formatOf(value: Value): "float16" | "bfloat16" | undefined {
    const { narrow } = this.placement;
    return narrow?.values.has(value) ? narrow.format : undefined;
  }

  private buffer(value: Value): string {
    const memory = this.placement.over?.get(value) ?? value;
    let place = this.buffers.indexOf(memory);
    if (place < 0) place = this.buffers.push(memory) - 1;
    return `b${place}`;
  }

  text(): string {
    if (this.source !== undefined) return this.source;
    return this.language.kernel({
      buffers: this.buffers.map((value) => (this.formatOf(value) ? "f16" : storedAs(scalarOf(value)))),
      usesScalars: this.usesScalars,
      sizes: this.sizes.length,
      shared: this.shared,
      workgroup: this.workgroup,
      lines: this.lines,
    });
  }
}

/** A position in an array: its coordinates, its place in memory, or both. */
export class Index {
  constructor(
    readonly shape: readonly number[],
    private coordinates?: readonly string[],
    private place?: string,
  ) {}

  /** The only position of an array of one number. */
  static zero(shape: readonly number[]): Index {
    return new Index(
      shape,
      shape.map(() => "0u"),
      "0u",
    );
  }

  linear(kernel: KernelBuilder): string {
    if (this.place !== undefined) return this.place;
    const terms: string[] = [];
    let stride = 1;
    for (let i = this.shape.length - 1; i >= 0; i--) {
      const at = this.coordinates![i];
      if (this.shape[i] !== 1 && at !== "0u") terms.unshift(times(kernel, at, stride));
      stride *= this.shape[i];
    }
    this.place = kernel.let("u32", terms.join(" + ") || "0u");
    return this.place;
  }

  coords(kernel: KernelBuilder): readonly string[] {
    if (this.coordinates) return this.coordinates;
    const at = this.shape.map(() => "0u");
    const first = this.shape.findIndex((size) => size !== 1);
    // From the last one on, as shapes that are read beside each other mostly differ in their first axes.
    let rest = kernel.let("u32", this.place!);
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      const size = this.shape[axis];
      if (size === 1) continue;
      if (axis === first) at[axis] = rest;
      else {
        const by = kernel.size(size);
        at[axis] = kernel.let("u32", `${rest} % ${by}`);
        rest = kernel.let("u32", `${rest} / ${by}`);
      }
    }
    this.coordinates = at;
    return at;
  }
}

/** An index times a number of the shapes. */
export const times = (kernel: KernelBuilder, at: string, by: number): string =>
  by === 1 ? at : `${/^\w+$/.test(at) ? at : `(${at})`} * ${kernel.size(by)}`;

/** An index further by a number of the shapes. */
export const plus = (kernel: KernelBuilder, at: string, by: number): string =>
  by === 0 ? at : kernel.let("u32", `${at} + ${kernel.size(by)}`);

/** The position of an array that is broadcast to the shape of an index. */
export function broadcastIndex(kernel: KernelBuilder, { shape }: Value, index: Index): Index {
  if (shape.length === index.shape.length && shape.every((d, i) => d === index.shape[i])) return index;
  if (sizeOf(shape) === 1) return Index.zero(shape);
  const at = index.coords(kernel);
  const shift = index.shape.length - shape.length;
  return new Index(
    shape,
    shape.map((d, i) => (d === 1 ? "0u" : at[i + shift])),
  );
}
