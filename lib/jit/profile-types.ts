/** What a profile holds. */
import type { GraphMemory } from "./memory.ts";

export interface ProfiledPart {
  /** The names of `namedScope`, without the numbers of blocks: `student/blocks/mlp/gradient`; empty outside of all. */
  part: string;
  /** Of one run. */
  calls: number;
  seconds: number;
}

export interface ProfiledOperator {
  operator: string;
  calls: number;
  seconds: number;
}

export interface ProfiledProduct extends ProfiledOperator {
  /** The factors' shapes, for example `2048x384 384x1536`. */
  shapes: string;
  gflops: number;
}

export interface Profile {
  /** The function's name. */
  name: string;
  /** Seconds of one run in operators: the median run. Recording itself costs a few microseconds a node. */
  seconds: number;
  /** Operators that ran. */
  nodes: number;
  /** Floating-point operations of the matrix products and convolutions. */
  flops: number;
  memory: GraphMemory;
  /** Longest first, as all lists. */
  parts: ProfiledPart[];
  operators: ProfiledOperator[];
  products: ProfiledProduct[];
  /** The tables as text. */
  toString(): string;
  /** The tables and a flame graph as a piece of HTML. */
  toHtml(): string;
}
