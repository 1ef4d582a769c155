/** Processes that test a GPU: each has one driver. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as assert from "uvu/assert";

const ROOT = join(import.meta.dirname, "../../..");
const SETUP = "test/setup.ts";

/** The library's own tests of what it computes against its fixtures. */
const LIBRARY =
  "^(align|diffusion|models|nn|vae)/.*\\.test\\.ts$|^samplers/parity\\.test\\.ts$|^train/(step|failures)\\.test\\.ts$";

const importing = (...files: string[]): string[] =>
  ["tsx", ...files.map((file) => join(ROOT, file))].flatMap((file) => ["--import", file]);

/** The lines of JSON that a script of this folder prints. */
export async function linesOf<T>(env: NodeJS.ProcessEnv, script: string, ...args: string[]): Promise<T[]> {
  const file = join(import.meta.dirname, script);
  const child = spawn(process.execPath, [...importing(SETUP), file, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const errors: string[] = [];
  createInterface(child.stderr).on("line", (line) => errors.push(line));
  const lines: T[] = [];
  createInterface(child.stdout).on("line", (line) => {
    if (line.startsWith("{")) lines.push(JSON.parse(line));
  });
  const [code] = await once(child, "close");
  assert.is(code, 0, errors.slice(-12).join("\n"));
  return lines;
}

/** Runs tests of the library in a process in which all that they compile runs on a GPU. */
export async function runLibrary(env: NodeJS.ProcessEnv): Promise<{ code: number; text: string }> {
  const child = spawn(
    process.execPath,
    [...importing(SETUP, "test/jit/gpu/everything.ts"), "node_modules/uvu/bin.js", "test", LIBRARY],
    { cwd: ROOT, env: { ...process.env, ...env, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (text += part));
  const [code] = await once(child, "close");
  return { code, text };
}

/** Where a training on a GPU and one by onnxruntime are apart. */
export interface StepReport {
  worst: { relative: number; name: string };
  metrics: { metric: string; expected: number; actual: number }[];
  tensors: number[];
  inPlace: number;
  overwritten: number;
  state: number;
}
export interface MethodReport extends Pick<StepReport, "worst" | "metrics"> {
  name: string;
}

/** @param least what a metric may differ by near 0 */
export function assertAlike(
  { worst, metrics }: Omit<MethodReport, "name">,
  what: string,
  least: number,
): void {
  // AdamW divides by the root of second moments, which are tiny at first.
  assert.ok(worst.relative < 2e-4, `${what}: ${JSON.stringify(worst)}`);
  for (const { metric, expected, actual } of metrics)
    assert.ok(
      Math.abs(actual - expected) <= 2e-5 * Math.abs(expected) + least,
      `${what}, ${metric}: ${actual}, expected ${expected}`,
    );
}

/** What one kernel, loop or program of a test comes to. */
export interface Outcome {
  name: string;
  error?: string;
}
export const assertNoErrors = (outcomes: readonly Outcome[]): void =>
  assert.equal(
    outcomes.filter(({ error }) => error !== undefined),
    [],
  );

/** Training in 16 bits beside float32's losses. */
export interface StorageReport {
  format: string;
  used: string;
  products: string;
  expected: number[];
  actual: number[];
  /** With dynamic loss scaling: of steps that were taken, and how many were skipped. */
  scaled?: { losses: number[]; skipped: number };
  special: string[];
  isLargeInfinite: boolean;
}
export function assertGoesOnAlike(report: StorageReport): void {
  const { format, used, expected, actual, scaled, special, isLargeInfinite } = report;
  assert.equal(special, ["NaN", "Infinity", "128"], format);
  assert.is(isLargeInfinite, used === "float16");
  for (const values of [actual, ...(scaled ? [scaled.losses] : [])]) {
    // Losses and gradient norms of five steps.
    assert.is(values.length, 10);
    values.forEach((value, i) => {
      const error = Math.abs(value / expected[i] - 1);
      assert.ok(error < 1e-2, `${format}: ${value}, expected ${expected[i]}`);
    });
  }
  // In float32 there is room for more.
  if (scaled) assert.is(scaled.skipped > 0, used === "float16", `${scaled.skipped} skipped`);
  assert.is(used === "float32", actual.join() === expected.join(), `${format} as ${used}`);
}
