/** Runs a compiled script with the names that it takes. */
import vm from "node:vm";
import { ownCell } from "../runtime/cell.ts";
import { checkInterrupt, interruptRuntime, orInterrupted } from "../runtime/interrupt.ts";
import { breakable } from "../runtime/signals.ts";
import type { CommonJS } from "./script.ts";
import { SOURCE_ADDRESS } from "./sources.ts";

export type ScriptScope = Record<string, unknown>;

export interface RunOptions {
  /** The name under which the script appears in stacks. */
  readonly name: string;
  /** The number of its source, by which a debugger finds that. */
  readonly source?: number;
  readonly scope: ScriptScope;
  readonly topLevelAwait: boolean;
}

/** Resolves when the script has ended, and rejects with what it threw. */
export async function run(
  script: CommonJS,
  { name, source, scope, topLevelAwait }: RunOptions,
): Promise<void> {
  const { code, declared } = script;
  // A script may have a `__dirname` or `require` of its own, which no parameter can have beside it.
  const names: ScriptScope = Object.fromEntries(
    Object.entries({ ...interruptRuntime(), ...scope }).filter(([one]) => !declared.has(one)),
  );
  const address = source === undefined ? "" : `\n//# sourceMappingURL=${SOURCE_ADDRESS}${source}`;
  // A line of its own before the code keeps its columns; the offset keeps its lines.
  const compiled = new vm.Script(
    `(${topLevelAwait ? "async " : ""}function (${Object.keys(names).join(", ")}) {\n${code}\n})${address}`,
    { filename: name, lineOffset: -1 },
  );
  const body = compiled.runInThisContext() as (...values: unknown[]) => unknown;
  const result = breakable(() => {
    // An interrupt may have come, and its signal gone, while the compiler was at work.
    checkInterrupt();
    return body(...Object.values(names));
  });
  const cell = ownCell();
  if (topLevelAwait) await (cell ? orInterrupted(result as Promise<void>, cell) : result);
}
