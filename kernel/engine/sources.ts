/** The sources of the scripts that run: for the stacks of errors, and for a debugger. */
import type { CommonJS } from "./script.ts";

export interface Source {
  readonly script: Pick<CommonJS, "original" | "code">;
  readonly text: string;
  /** Lines that the compiler saw before the source's first. */
  readonly before: number;
  /** Where in the text the compiler saw a bracket more. */
  readonly bracket?: number;
  /** The object that holds the variables which the script shares: the notebook's, or what a module exports. */
  readonly variables: Record<string, unknown>;
  /** The whole code of the cell that the script is of. */
  readonly cell?: string;
}

export interface RegisteredSource extends Source {
  /** The name under which the script appears in stacks. */
  readonly name: string;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** By the name of a script that runs; the latest of a name. */
const named = new Map<string, Source>();
/** By what their scripts carry as the address of a source map, oldest first: functions of earlier ones still run. */
const numbered = new Map<number, RegisteredSource>();
let scripts = 0;

/** Scripts of cells that are remembered; a function that is older has its places in what was made of its cell. */
const MAX_CELLS = 2000;

/** How the address of a script's source map begins; its number in the list of sources follows. */
export const SOURCE_ADDRESS = "ditlab-source:";

/** Names the source of the script that runs as `name`, for stacks. */
export function nameSource(name: string, source: Source): void {
  named.set(name, source);
}

/** Keeps the source of a script; returns the number by which a debugger finds it. */
export function registerSource(name: string, source: Source): number {
  const id = scripts++;
  numbered.set(id, { ...source, name });
  if (source.cell !== undefined) forgetOld(id - MAX_CELLS);
  return id;
}

/** Forgets a cell's script, which would otherwise stay for as long as the kernel runs. */
function forgetOld(id: number): void {
  const old = numbered.get(id);
  if (old?.cell === undefined) return;
  numbered.delete(id);
  if (named.get(old.name)?.script === old.script) named.delete(old.name);
}

export const sourceNamed = (name: string): Source | undefined => named.get(name);
export const sourceOfScript = (id: number): RegisteredSource | undefined => numbered.get(id);

/** The place in the source of a position in its script, all from 1. */
export function placeIn(source: Source, line: number, column: number): Place | undefined {
  const at = source.script.original(line, column);
  if (!at) return undefined;
  const { text, before, bracket = Number.POSITIVE_INFINITY } = source;
  const place = { line: Math.max(1, at.line - before), column: at.column };
  const start = text.split("\n", place.line - 1).join("\n").length + (place.line > 1 ? 1 : 0);
  const isBehind = start <= bracket && start + place.column - 1 > bracket;
  return isBehind ? { line: place.line, column: place.column - 1 } : place;
}
