/**
 * Runs the test files, each in a process of its own, several at once: `npm test [pattern]`, where the pattern is a regular
 * expression of paths below this folder. Ends with what failed, and a line `N passed, N failed, N skipped`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import pMap from "p-map";
import { parse } from "uvu/parse";

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, "..");
const SETUP = ["tsx", join(FOLDER, "setup.ts")].flatMap((file) => ["--import", file]);
/** Most files at once: what they compile uses threads, and memory. */
const MOST = 8;
const LIMIT_MINUTES = 40;
/** What takes longest begins first, so that it does not run alone at the end. */
const SLOW = [
  ...[
    "jit/webgpu",
    "kernel/notebooks",
    "kernel/randomized",
    "jit/cuda.test",
    "cli/cli",
    "install",
    "cli/options",
  ],
  ...[
    "devices/commands",
    "site",
    "cli/folders",
    "build",
    "devices/tensorflow/real",
    "kernel/front-ends",
    "kernel/widgets-lab",
    "kernel/debugger/jupyterlab",
    "metrics/evaluate",
    "distributed/queue-reproduce",
    "distributed/mpi",
    "distributed/faults",
    "distributed/queue.test",
  ],
];

const concurrency = Math.min(availableParallelism(), MOST);
/** Of compiled functions in each file: more than there are processors would wait for each other, and do so busily. */
const threads = String(Math.max(1, Math.floor(availableParallelism() / concurrency)));

const { FORCE_COLOR: _, ...inherited } = process.env;

interface Outcome {
  name: string;
  passed: number;
  failed: number;
  skipped: number;
  /** What it printed, of a file that failed. */
  failure?: string;
}

async function runFile(name: string): Promise<Outcome> {
  const started = Date.now();
  const child = spawn(process.execPath, [...SETUP, join(FOLDER, name)], {
    cwd: ROOT,
    env: { DITLAB_THREADS: threads, ...inherited, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MINUTES * 60_000,
    killSignal: "SIGKILL",
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part) => (text += part));
  const [code, signal] = await once(child, "close");
  /** The last figure of a name: tests that start a test run of their own print earlier ones. */
  const figure = (of: string): number | undefined => {
    const [, value] = [...text.matchAll(new RegExp(`^ *${of}: +(\\d+)$`, "gm"))].at(-1) ?? [];
    return value === undefined ? undefined : Number(value);
  };
  const [total = 0, passed = 0, skipped = 0] = ["Total", "Passed", "Skipped"].map(figure);
  // A file that ends without its figures has failed as one test.
  const failed = Math.max(total - passed, code === 0 && figure("Total") !== undefined ? 0 : 1);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${failed ? "✘" : "•"} ${name} (${passed} / ${passed + failed}) ${seconds} s`);
  for (const [line] of text.matchAll(/^skipped: .*$/gm)) console.log(`  ${line}`);
  const ending = code === 0 ? "" : `\nended with ${signal ?? `exit code ${code}`}`;
  return { name, passed, failed, skipped, ...(failed > 0 && { failure: text.trim() + ending }) };
}

const rank = (name: string): number => {
  const at = SLOW.findIndex((slow) => name.startsWith(slow));
  return at < 0 ? SLOW.length : at;
};

const pattern = new RegExp(process.argv[2] ?? "");
const { suites } = await parse(FOLDER, /\.test\.ts$/);
const names = suites
  .map(({ file }) => relative(FOLDER, file).replaceAll("\\", "/"))
  .filter((name) => pattern.test(name))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
if (names.length === 0) {
  console.error(`no test file's name is like ${pattern}`);
  process.exit(1);
}
const outcomes = await pMap(names, runFile, { concurrency });

for (const { name, failure } of outcomes) if (failure !== undefined) console.log(`\n✘ ${name}\n${failure}`);
const sum = (of: "passed" | "failed" | "skipped"): number =>
  outcomes.reduce((total, outcome) => total + outcome[of], 0);
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exitCode = sum("failed") === 0 ? 0 : 1;
