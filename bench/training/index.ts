/**
 * Training steps and samples beside PyTorch, where a Python with it is found: alternating runs, medians.
 * On a quiet machine: npm run bench [-- --json] [--runs <n>] [--scale <part of a name>] [--python <program>]
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SAMPLE_STEPS, SCALES, type Scale } from "./scales.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "7" },
    scale: { type: "string", default: "" },
    python: { type: "string", default: "python3" },
  },
});
const WARM_UP = 1;
const runs = Number(options.runs);
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const hasPeer = spawnSync(options.python, ["-c", "import torch"]).status === 0;

interface Contestant {
  ask<T>(request: string): Promise<T>;
  /** What it said first. */
  greeting: unknown;
  stop(): void;
}

async function start(command: string, args: string[], scale: Scale): Promise<Contestant> {
  const child: ChildProcess = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const ask = async <T>(request: string): Promise<T> => {
    child.stdin!.write(`${request}\n`);
    const line = await lines.next();
    if (line.done) throw new Error(`${command} ended (${child.exitCode ?? child.signalCode})`);
    return JSON.parse(line.value) as T;
  };
  return { greeting: await ask(JSON.stringify(scale)), ask, stop: () => child.kill() };
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Medians of alternating runs, in seconds. */
async function alternate(contestants: Contestant[], request: string, count: number): Promise<number[]> {
  const times: number[][] = contestants.map(() => []);
  for (let i = 0; i < WARM_UP + count; i++) {
    for (const [j, contestant] of contestants.entries()) {
      const seconds = await contestant.ask<number>(request);
      if (i >= WARM_UP) times[j].push(seconds);
    }
  }
  return times.map(median);
}

interface Stats {
  flops: number;
  nodes: number;
  traceSeconds: number;
  compileSeconds: number;
}

const results: Record<string, unknown>[] = [];
for (const [name, scale] of Object.entries(SCALES).filter(([name]) => name.includes(options.scale))) {
  const ours = await start(process.execPath, ["--import", "tsx", file("worker.ts")], scale);
  const peer = hasPeer ? await start(options.python, [file("peer.py")], scale) : undefined;
  const contestants = peer ? [ours, peer] : [ours];
  const limits = [await ours.ask<number>("limit")];
  const [stepSeconds, peerStepSeconds] = await alternate(contestants, "step", runs);
  limits.push(await ours.ask<number>("limit"));
  const memory = await Promise.all(contestants.map((contestant) => contestant.ask<number>("memory")));
  const [sampleSeconds, peerSampleSeconds] = await alternate(contestants, "sample", Math.ceil(runs / 3));
  const stats = await ours.ask<Stats>("stats");
  const limit = median(limits);
  results.push({
    scale: name,
    stepSeconds,
    gflops: stats.flops / stepSeconds / 1e9,
    limitGflops: limit / 1e9,
    shareOfLimit: stats.flops / stepSeconds / limit,
    megabytes: memory[0],
    [`sample${SAMPLE_STEPS}Seconds`]: sampleSeconds,
    nodes: stats.nodes,
    startSeconds: stats.traceSeconds + stats.compileSeconds,
    ...(peer && {
      peer: `PyTorch ${peer.greeting}`,
      peerStepSeconds,
      peerSampleSeconds,
      peerMegabytes: memory[1],
      stepRatio: peerStepSeconds / stepSeconds,
      sampleRatio: peerSampleSeconds / sampleSeconds,
    }),
  });
  for (const contestant of contestants) contestant.stop();
  // A scale takes minutes: what is known so far survives a run that is cut short.
  console.error(JSON.stringify(results.at(-1)));
}

const cell = (value: unknown): string => (typeof value === "number" ? value.toPrecision(4) : String(value));
if (options.json) console.log(JSON.stringify(results, null, 2));
else {
  const columns = Object.keys(results[0]);
  const rows = [columns, columns.map(() => "---"), ...results.map((row) => columns.map((c) => cell(row[c])))];
  console.log(rows.map((row) => `| ${row.join(" | ")} |`).join("\n"));
  if (!hasPeer) console.log(`${options.python} has no PyTorch: ours alone (--python names another program)`);
}
