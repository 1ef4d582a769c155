/**
 * What several processes on one machine come to, beside one with as many threads, in alternation:
 *
 *     npm run bench:distributed -- [--starts 3] [--steps 30]
 *
 * A step of the small scale, and sums of arrays of several sizes, by each MPI library that is installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { median } from "../../lib/train/recorder.ts";

const { values } = parseArgs({
  options: { starts: { type: "string", default: "3" }, steps: { type: "string", default: "30" } },
});
const program = [process.execPath, "--import", "tsx", "bench/distributed/rank.ts", "--steps", values.steps];
const openMpi = ["mpirun.openmpi", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none"];
const isInstalled = ([command]: readonly string[]): boolean => existsSync(`/usr/bin/${command}`);

const FORMS: Readonly<Record<string, { launcher: readonly string[]; threads: number }>> = {
  "1 process, 1 thread": { launcher: [], threads: 1 },
  "1 process, 2 threads": { launcher: [], threads: 2 },
  ...(isInstalled(openMpi) && {
    "2 ranks of 1 thread, Open MPI": { launcher: [...openMpi, "-n", "2"], threads: 1 },
  }),
  ...(isInstalled(["mpirun.mpich"]) && {
    "2 ranks of 1 thread, MPICH": { launcher: ["mpirun.mpich", "-n", "2"], threads: 1 },
  }),
};

const found = new Map<string, Record<string, number>[]>();
for (let start = 0; start < Number(values.starts); start++)
  for (const [name, { launcher, threads }] of Object.entries(FORMS)) {
    const [command, ...args] = [...launcher, ...program];
    const env = { ...process.env, DITLAB_THREADS: String(threads) };
    const { stdout, stderr, status } = spawnSync(command, args, { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`${name}: ${stderr}${stdout}`);
    const line = JSON.parse(stdout.split("\n").find((text) => text.startsWith("{"))!);
    process.stderr.write(`${name}: ${JSON.stringify(line)}\n`);
    found.set(name, [...(found.get(name) ?? []), line]);
  }
for (const [name, lines] of found) {
  const figures = Object.keys(lines[0]).filter((key) => typeof lines[0][key] === "number");
  const shown = figures.map((key) => `${key} ${median(lines.map((line) => line[key])).toPrecision(4)}`);
  console.log(`${name}: ${shown.join(", ")}`);
}
