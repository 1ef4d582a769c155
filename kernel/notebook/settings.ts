/** What a notebook's metadata, or those of one of its cells, say about how outputs are compared. */
import type { Tolerance } from "./compare/numbers.ts";
import type { Rules } from "./compare/text.ts";
import { type CodeCell, hasTag, type Notebook } from "./format.ts";

export interface Settings {
  readonly tolerance: Tolerance;
  /** Regular expressions of text to ignore. */
  readonly ignore: readonly string[];
}

/** `ignore-output` is ours, the other is of nbval, whose notebooks are tested by the same rule. */
export const isIgnored = (cell: CodeCell): boolean =>
  hasTag(cell, "ignore-output") || hasTag(cell, "nbval-ignore-output");

/** A regular expression of a user's, or a sentence about it. */
export function patternOf(text: string, where: string): RegExp {
  try {
    return new RegExp(text, "gu");
  } catch (error) {
    throw new Error(`${where}: a regular expression expected, but ${(error as Error).message}`);
  }
}

/** The `ditlab` of some metadata. */
function settingsOf(metadata: Record<string, unknown>, where: string): Partial<Settings> {
  const { tolerance, ignore } = (metadata.ditlab ?? {}) as Record<string, unknown>;
  if (tolerance !== undefined && !(typeof tolerance === "number" && tolerance >= 0))
    throw new Error(`${where}: ditlab.tolerance is a number from 0, got ${JSON.stringify(tolerance)}`);
  const texts = typeof ignore === "string" ? [ignore] : (ignore ?? []);
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string"))
    throw new Error(
      `${where}: ditlab.ignore is a list of regular expressions, got ${JSON.stringify(ignore)}`,
    );
  return { ...(tolerance === undefined ? {} : { tolerance }), ignore: texts };
}

/** The rules of each cell: its own tolerance, else its notebook's, else the given one; the patterns of all three. */
export function rulesOf(notebook: Notebook, given: Settings): (cell: CodeCell) => Rules {
  const all = settingsOf(notebook.metadata, "the notebook's metadata");
  const rules = new Map<CodeCell, Rules>();
  for (const cell of notebook.cells) {
    if (cell.cell_type !== "code") continue;
    const where = `the metadata of cell ${cell.id}`;
    const own = settingsOf(cell.metadata, where);
    const ignore = [...given.ignore, ...(all.ignore ?? []), ...(own.ignore ?? [])];
    rules.set(cell, {
      tolerance: own.tolerance ?? all.tolerance ?? given.tolerance,
      ignore: ignore.map((text) => patternOf(text, where)),
    });
  }
  return (cell) => rules.get(cell)!;
}
