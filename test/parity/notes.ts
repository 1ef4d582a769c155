/**
 * Errors that tests find, kept for a table: the methods' tests compare with their fixtures themselves, and `npm run parity`
 * runs them with a file in which each comparison is noted.
 */
import { execFile } from "node:child_process";
import { appendFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readJsonLines } from "../../lib/io/index.ts";
import { temporaryFolder } from "../io/helpers.ts";

export interface NotedError {
  /** The test's file. */
  readonly file: string;
  readonly what: string;
  readonly error: number;
  readonly tolerance: number;
}

const VARIABLE = "DITLAB_PARITY_NOTES";

export function noteError(what: string, error: number, tolerance: number): void {
  const notes = process.env[VARIABLE];
  if (!notes) return;
  const noted: NotedError = { file: basename(process.argv[1]), what, error, tolerance };
  appendFileSync(notes, `${JSON.stringify(noted)}\n`);
}

const TESTS = fileURLToPath(new URL("..", import.meta.url));
const isTest = (name: string): boolean => name.endsWith(".test.ts");

/** Runs the tests of all methods and of the text-to-image network; returns what they compared. Rejects if one fails. */
export async function methodErrors(): Promise<NotedError[]> {
  const files = [
    ...readdirSync(join(TESTS, "align"))
      .filter(isTest)
      .map((name) => join("align", name)),
    "models/mmdit.test.ts",
  ];
  const notes = join(await temporaryFolder(), "notes.jsonl");
  const env = { ...process.env, [VARIABLE]: notes };
  const setup = ["--import", "tsx", "--import", join(TESTS, "setup.ts")];
  for (const file of files)
    await promisify(execFile)(process.execPath, [...setup, join(TESTS, file)], { env, maxBuffer: 2 ** 26 });
  return readJsonLines<NotedError>(notes);
}
