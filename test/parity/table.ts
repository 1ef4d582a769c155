/** Arrays of fixtures, computed eagerly and compiled, against the reference's. */
import type { NdArray } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import type { Tensor } from "../../lib/tensor/index.ts";
import { arrays, relativeError } from "../parity.ts";

/** One array of a fixture: its relative errors in both ways to run, and what the reference's float32 supports. */
export interface ParityRow {
  file: string;
  array: string;
  /** Absent for what would take minutes so. */
  eager?: number;
  /** Absent for what is no function of tensors. */
  jit?: number;
  tolerance: number;
}

/** A way to run a function of tensors: as it is, or compiled. */
export type Mode = <A extends unknown[], R>(fn: (...args: A) => R) => (...args: A) => Promise<R>;

export interface Case {
  file: string;
  /** Arrays of the file that are inputs, or of which something else is tested. */
  inputs: readonly string[];
  tolerance: number | ((array: string) => number);
  /** Default: both. */
  modes?: readonly ("eager" | "jit")[];
  /** The file's other arrays, by name. */
  compute: (mode: Mode, given: Record<string, NdArray>) => Promise<Record<string, Tensor | NdArray>>;
}

const eager: Mode =
  (fn) =>
  async (...args) =>
    fn(...args);

/** One row an array. Throws when a fixture holds an array that no case computes, or the other way round. */
export async function parityRows(cases: readonly Case[]): Promise<ParityRow[]> {
  const programs: { dispose(): Promise<void> }[] = [];
  const compiled: Mode = (fn) => {
    const program = jit(fn, { name: "parity", threads: 1 });
    programs.push(program);
    return program;
  };
  const rows: ParityRow[] = [];
  for (const { file, inputs, tolerance, modes = ["eager", "jit"] as const, compute } of cases) {
    const given = await arrays(file);
    const expected = Object.keys(given).filter((array) => !inputs.includes(array));
    const own = new Map<string, ParityRow>();
    for (const array of expected) {
      const limit = typeof tolerance === "number" ? tolerance : tolerance(array);
      own.set(array, { file, array, tolerance: limit });
    }
    for (const mode of modes) {
      const got = await compute(mode === "jit" ? compiled : eager, given);
      const missing = expected.filter((array) => !(array in got));
      const extra = Object.keys(got).filter((array) => !expected.includes(array));
      if (missing.length > 0 || extra.length > 0) {
        throw new Error(`${file}: not computed: ${missing.join(", ")}; not in the file: ${extra.join(", ")}`);
      }
      for (const [array, row] of own) {
        const { shape } = got[array];
        if (`${shape}` !== `${given[array].shape}`)
          throw new Error(`${file}: ${array} is [${shape}], expected [${given[array].shape}]`);
        row[mode] = relativeError(got[array], given[array]);
      }
    }
    rows.push(...own.values());
  }
  await Promise.all(programs.map((program) => program.dispose()));
  return rows;
}
