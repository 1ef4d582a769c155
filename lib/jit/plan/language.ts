/** What a language of kernels must be able to write. Everything else of a kernel is the same in all of them. */

import type { GraphNode } from "../graph.ts";
import type { AttentionSize, AttentionTiles } from "./attention-forms.ts";
import type { KernelBuilder, Placement } from "./builder.ts";
import type { MatrixShape, ProductChoice, ProductDevice, ProductSize } from "./forms.ts";

/** Of a number in a kernel. */
export type Scalar = "f32" | "i32" | "u32" | "bool";

/** Four float32 that are read, written and multiplied as one, or by their parts: x, y, z and w. */
export type Vector = "float4";

/** Functions of floats that every language has, by the names of WGSL. */
export type MathFunction =
  | "abs"
  | "acosh"
  | "asinh"
  | "atan"
  | "atanh"
  | "ceil"
  | "cosh"
  | "exp"
  | "floor"
  | "inverseSqrt"
  | "log"
  | "max"
  | "min"
  | "pow"
  | "round"
  | "sign"
  | "sinh"
  | "sqrt"
  | "tanh"
  | "trunc";

/** Memory of a workgroup, or of one thread. Numbers of 16 bits are only written and multiplied by matrices, "f16" in whatever format. */
export interface LocalArray {
  name: string;
  type: Scalar | Vector | "f16";
  length: number;
}

/** Which factor of a product a matrix is, or its sums. */
export type MatrixRole = "left" | "right" | "sums";

/** Products of matrices of 16 bits that the threads of a subgroup compute together, with sums of 32 bits. */
export interface MatrixLanguage {
  variable(shape: MatrixShape, name: string): string;
  /** A factor from a workgroup's array of f16: neighbours lie along rows, or along columns; lines are `pitch` apart. */
  load(
    shape: MatrixShape,
    role: "left" | "right",
    from: { array: string; at: string; pitch: number; alongRows: boolean },
  ): string;
  /** sums += left right. */
  add(shape: MatrixShape, sums: string, left: string, right: string): string;
  /** Writes sums into a workgroup's array of f32, along rows. */
  store(shape: MatrixShape, sums: string, array: string, at: string, pitch: number): string;
  /** A float rounded to 16 bits, as a factor. */
  rounded(shape: MatrixShape, number: string): string;
}

/** A kernel's text, without the numbers that differ between shapes: those are its sizes. */
export interface KernelText {
  /** Arrays in memory, in the order of their bindings, named b0, b1, ...; those of f16 are only read and written. */
  buffers: readonly (Scalar | "f16")[];
  /** Whether it reads or writes single numbers, an array `scalars` of their bits behind the buffers. */
  usesScalars: boolean;
  /** How many sizes it has, named s0, s1, ... */
  sizes: number;
  shared: readonly LocalArray[];
  workgroup: number;
  lines: readonly string[];
}

/** Kernels that a device has beside the planned ones. */
export interface OwnKernels {
  /** Whether it may have one for a node, which then gives nothing but the node's results. */
  closes(node: GraphNode): boolean;
  /** The kernel, if what it reads and writes lies as it needs it. */
  kernelOf(style: Style, placement: Placement, node: GraphNode): KernelBuilder | undefined;
}

/** How kernels are written for a device. */
export interface Style {
  language: Language;
  /** How products are computed on it. */
  formOf(size: ProductSize): ProductChoice;
  own?: OwnKernels;
  /** In which precision a library of the device multiplies float32, where it computes products. */
  library?: ProductDevice["library"];
  /** Whether products may round their factors to 16 bits. */
  roundsFactors: boolean;
  /** And attention. */
  attentionOf(size: AttentionSize): AttentionTiles;
}

export interface Language {
  /** A literal, also one that is not finite. */
  literal(type: Scalar, value: number): string;
  /** A name for what an expression gives. */
  constant(type: Scalar | Vector | "matrix", name: string, expression: string): string;
  variable(type: Scalar | Vector, name: string, expression: string): string;
  /** An array of one thread, of zeros. */
  local(array: LocalArray): string;
  /** A vector of four numbers, or of one four times. */
  vector(...numbers: string[]): string;
  /** The part of a vector in memory with a number that is known when it runs. */
  part(vector: string, place: string): string;
  select(condition: string, yes: string, no: string): string;
  convert(from: Scalar, to: Scalar, expression: string): string;
  /** The same bits as another type. */
  bits(from: Scalar, to: Scalar, expression: string): string;
  /** A float32 of what lies in memory in half the width. */
  widened(format: "float16" | "bfloat16", element: string): string;
  /** What lies in memory of a float32, rounded to the nearest: infinite beyond the range. */
  narrowed(format: "float16" | "bfloat16", number: string): string;
  call(fn: MathFunction, ...args: string[]): string;
  /** A float of an array of vectors, to be read or written, by its place among all of them. */
  component(array: string, at: string): string;
  readonly matrix: MatrixLanguage;
  /** All threads of a workgroup, and what they wrote into its memory, are as far as this. */
  readonly barrier: string;
  kernel(text: KernelText): string;
}
