/**
 * What the first call of a training step costs beyond its run: tracing, writing the model, compiling it; and what is
 * left of it in the next process, which finds the optimized model on disk. Each start is a fresh process; the step is
 * never run, and parameters have shapes but no numbers of their own.
 * On a quiet machine: npm run bench:start [-- --json] [--runs <n>] [--scale <part of a name>]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SRA_DEFAULTS } from "../lib/align/index.ts";
import { SIT_PROCESS } from "../lib/diffusion/index.ts";
import { TRANSFORMER_DEFAULTS } from "../lib/models/index.ts";
import { ADAMW_DEFAULTS } from "../lib/optim/index.ts";
import { type DataType, type Params, type Tensor, tf } from "../lib/tensor/index.ts";
import { compileStep, makeTask, type StepOptions, type TrainState, taskShapes } from "../lib/train/index.ts";
import { CLASSES, PATCH, type Scale } from "./training/scales.ts";

const SCALES: Readonly<Record<string, Scale>> = {
  "S/2": { depth: 12, width: 384, heads: 6, size: 32, channels: 4, batch: 8 },
  "XL/2": { depth: 28, width: 1152, heads: 16, size: 32, channels: 4, batch: 1 },
};

interface Start {
  traceSeconds: number;
  encodeSeconds: number;
  compileSeconds: number;
  /** From the call to where the run would begin. */
  seconds: number;
  nodes: number;
  cached: boolean;
}

const NOT_RUN = "compiled, and not run";
const numbers = new Float32Array(2 ** 25);

/** A tensor over memory that all of them share: what is never run needs no numbers. */
function hollow(shape: number[], dtype: DataType = "float32"): Tensor {
  const engine = tf.engine() as unknown as {
    makeTensor(v: unknown, s: number[], d: DataType, b: unknown): Tensor;
    findBackend(name: string): unknown;
  };
  const size = shape.reduce((n, d) => n * d, 1);
  const data = numbers.subarray(0, size);
  return engine.makeTensor(data, shape, dtype, engine.findBackend("cpu"));
}

async function start(scale: Scale): Promise<Start> {
  const { depth, width, heads, size, channels, batch: count } = scale;
  const model = {
    ...TRANSFORMER_DEFAULTS,
    depth,
    hiddenSize: width,
    numHeads: heads,
    inputSize: size,
    inChannels: channels,
    patchSize: PATCH,
    numClasses: CLASSES,
  };
  const sra = {
    ...SRA_DEFAULTS,
    studentBlock: Math.floor(depth / 3),
    teacherBlock: Math.floor((2 * depth) / 3),
  };
  const task = makeTask({ model, process: SIT_PROCESS, methods: [sra] });
  const config: StepOptions = { adamW: ADAMW_DEFAULTS, maxGradientNorm: 1 };
  const isTrainable = (name: string): boolean => name !== "pos_embed";
  const hollows = (names: (name: string) => boolean = () => true): Params =>
    Object.fromEntries(
      Object.entries(taskShapes(task)).flatMap(([name, shape]) =>
        names(name) ? [[name, hollow(shape)]] : [],
      ),
    );
  const state: TrainState = {
    params: hollows(),
    ema: hollows(),
    optimizer: { first: hollows(isTrainable), second: hollows(isTrainable), step: hollow([]) },
  };
  const shape = [count, channels, size, size];
  const batch = {
    x: hollow(shape),
    noise: hollow(shape),
    t: hollow([count]),
    condition: { y: hollow([count], "int32") },
    draws: [{ interval: hollow([count]) }],
  };
  const scalars = { learningRate: hollow([]), weights: [hollow([])], emaDecay: hollow([]) };
  // Its numbers are asked for when all is compiled.
  scalars.emaDecay.data = () => Promise.reject(new Error(NOT_RUN));
  const step = compileStep(task, config);
  const begin = performance.now();
  const message = await step(state, batch, scalars).then(String, (error: Error) => error.message);
  if (message !== NOT_RUN) throw new Error(message);
  const seconds = (performance.now() - begin) / 1000;
  const { traceSeconds, encodeSeconds, compileSeconds, nodes, cached } = step.stats.traces[0];
  return {
    traceSeconds,
    encodeSeconds,
    compileSeconds: compileSeconds - encodeSeconds,
    seconds,
    nodes,
    cached,
  };
}

const file = fileURLToPath(import.meta.url);

/** A start in a process of its own, with a cache in this folder. */
function startElsewhere(scale: string, home: string): Start {
  const { stdout, status } = spawnSync(process.execPath, ["--import", "tsx", file, "--start", scale], {
    encoding: "utf8",
    env: { ...process.env, DITLAB_HOME: home, DITLAB_JIT_CACHE: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`the start of ${scale} ended with ${status}`);
  return JSON.parse(stdout) as Start;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
const medians = (starts: Start[]) => {
  const of = (name: "traceSeconds" | "encodeSeconds" | "compileSeconds" | "seconds") =>
    median(starts.map((start) => start[name]));
  return {
    trace: of("traceSeconds"),
    encode: of("encodeSeconds"),
    compile: of("compileSeconds"),
    seconds: of("seconds"),
  };
};

/** First and second starts in turn, each pair with an empty folder. */
function measure(scale: string, runs: number) {
  const starts = Array.from({ length: runs }, () => {
    const home = mkdtempSync(join(tmpdir(), "ditlab-start-"));
    try {
      return [startElsewhere(scale, home), startElsewhere(scale, home)];
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
  if (starts.some(([a, b]) => a.cached || !b.cached))
    throw new Error(`the second start of ${scale} was not cached`);
  const [first, second] = [0, 1].map((i) => medians(starts.map((pair) => pair[i])));
  return { scale, nodes: starts[0][0].nodes, first, second, ratio: first.seconds / second.seconds };
}

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    scale: { type: "string", default: "" },
    start: { type: "string" },
  },
});
if (options.start) {
  console.log(JSON.stringify(await start(SCALES[options.start])));
  process.exit();
}
const results = Object.keys(SCALES)
  .filter((name) => name.includes(options.scale))
  .map((name) => measure(name, Number(options.runs)));
if (options.json) console.log(JSON.stringify(results, null, 2));
else {
  const rows = results.flatMap(({ scale, nodes, first, second, ratio }) =>
    Object.entries({ first, second }).map(([which, times]) => [
      scale,
      nodes,
      which,
      ...Object.values(times).map((seconds) => seconds.toFixed(3)),
      which === "second" ? ratio.toFixed(2) : "",
    ]),
  );
  const columns = ["scale", "nodes", "start", "trace", "encode", "compile", "seconds", "ratio"];
  console.log([columns, columns.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n"));
}
