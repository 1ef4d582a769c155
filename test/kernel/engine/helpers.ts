/** A notebook's language without a kernel: cells one after another, and files beside the notebook. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspect, stripVTControlCharacters } from "node:util";
import { createEngine, type Engine, type Outcome } from "../../../kernel/engine/engine.ts";
import type { Failure } from "../../../kernel/engine/errors.ts";
import { watchFlags } from "../../../kernel/runtime/interrupt.ts";
import { temporaryFolder } from "../../io/helpers.ts";

// As in a kernel: what Node says of its experiments is nothing that a cell said.
process.removeAllListeners("warning");
watchFlags(new Int32Array(new SharedArrayBuffer(16)));

export interface Session {
  readonly engine: Engine;
  readonly folder: string;
  /** The value of a cell, or its error as one text. */
  run(code: string): Promise<unknown>;
  /** The error of a cell that fails, without colours. */
  fails(code: string): Promise<string>;
  /** What cells wrote to stderr since this was last asked. */
  said(): string;
}

/**
 * One for each process, whose compiler it is.
 * @param files texts by their paths beside the notebook
 */
export async function openSession(files: Record<string, string> = {}): Promise<Session> {
  const folder = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const engine = createEngine({ folder, globals: [] });
  let cells = 0;
  let stderr = "";
  async function outcomeOf(code: string): Promise<Outcome> {
    const { write } = process.stderr;
    process.stderr.write = ((text: string) => {
      stderr += text;
      return true;
    }) as typeof write;
    try {
      return await engine.run(code, `cell[${++cells}]`);
    } finally {
      process.stderr.write = write;
    }
  }
  const textOf = ({ ename, evalue, traceback }: Failure) =>
    stripVTControlCharacters(`${ename}: ${evalue}\n${traceback.join("\n")}`);
  return {
    engine,
    folder,
    async run(code) {
      const outcome = await outcomeOf(code);
      return outcome.status === "ok" ? outcome.value : textOf(outcome);
    },
    async fails(code) {
      const outcome = await outcomeOf(code);
      if (outcome.status === "ok")
        throw new Error(`expected an error, got ${inspect(outcome.value)} from ${code}`);
      return textOf(outcome);
    },
    said() {
      const text = stderr;
      stderr = "";
      return text;
    },
  };
}
