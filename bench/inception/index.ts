/**
 * The evaluator: images a second through the FID network, beside pytorch-fid's where a Python with PyTorch is found
 * (alternating runs, medians), and the time of each metric on random features of 2,048 numbers; the Frechet distance
 * also by SciPy.
 * On a quiet machine: npm run bench:inception [-- --json] [--batch <n>] [--count <features>] [--python <program>]
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ndarray, writeNpz } from "../../lib/io/index.ts";
import {
  type Features,
  foldInception,
  frechetDistance,
  type GaussianStatistics,
  gaussianAccumulator,
  inceptionExtractor,
  inceptionScore,
  inceptionShapes,
  kernelDistance,
  precisionRecall,
} from "../../lib/metrics/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    batch: { type: "string", default: "16" },
    count: { type: "string", default: "5000" },
    runs: { type: "string", default: "5" },
    python: { type: "string", default: "python3" },
  },
});
const [batch, count, runs] = [options.batch, options.count, options.runs].map(Number);
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
const random = randomGenerator(0);

/** Random weights of the size that keeps activations at theirs. */
function randomWeights(): Record<string, Float32Array> {
  const arrays: Record<string, Float32Array> = {};
  for (const [name, shape] of Object.entries(inceptionShapes())) {
    const size = shape.reduce((product, n) => product * n, 1);
    const fan = shape.slice(1).reduce((product, n) => product * n, 1);
    if (/running_var$|bn.weight$/.test(name)) arrays[name] = new Float32Array(size).fill(1);
    else if (shape.length > 1) arrays[name] = random.normals(size).map((value) => value * Math.sqrt(2 / fan));
    else arrays[name] = new Float32Array(size);
  }
  return arrays;
}

async function peer(): Promise<
  | { run(network: string, batch: number): Promise<{ seconds: number; gigabytes: number }>; stop(): void }
  | undefined
> {
  if (spawnSync(options.python, ["-c", "import torch"]).status !== 0) return undefined;
  const script = fileURLToPath(new URL("peer.py", import.meta.url));
  const child = spawn(options.python, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value as string);
  console.error("PyTorch", (await answer()).version);
  return {
    async run(network, batch) {
      child.stdin.write(`${JSON.stringify({ network, batch })}\n`);
      return answer();
    },
    stop: () => child.kill(),
  };
}

/** The distance of the same statistics where a Python with SciPy is found. */
async function peerRoot(
  a: GaussianStatistics,
  b: GaussianStatistics,
): Promise<{ seconds: number; distance: number; version: string } | undefined> {
  if (spawnSync(options.python, ["-c", "import scipy"]).status !== 0) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "ditlab-bench-"));
  const path = join(folder, "statistics.npz");
  const side = [a.mean.length, a.mean.length];
  await writeNpz(path, {
    mu1: ndarray(a.mean, [a.mean.length]),
    sigma1: ndarray(a.covariance, side),
    mu2: ndarray(b.mean, [b.mean.length]),
    sigma2: ndarray(b.covariance, side),
  });
  const script = fileURLToPath(new URL("root.py", import.meta.url));
  const { stdout } = spawnSync(options.python, [script, path], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  await rm(folder, { recursive: true });
  return JSON.parse(stdout);
}

const images = Array.from({ length: batch }, () => ({
  data: Uint8Array.from({ length: 256 * 256 * 3 }, () => random.integer(256)),
  width: 256,
  height: 256,
}));
const extractor = inceptionExtractor(foldInception(randomWeights()), { suite: "adm", batchSize: batch });
const other = await peer();
/** pytorch-fid as it is started, its network at our batch, and at its best. */
const PEERS = [
  { name: "published", network: "published", batch: 50 },
  { name: "published, our batch", network: "published", batch },
  { name: "tuned", network: "tuned", batch },
];
const own: number[] = [];
const theirs = PEERS.map(() => [] as number[]);
let peerMemory = 0;
for (let i = 0; i <= runs; i++) {
  const start = performance.now();
  await extractor.extract(images);
  own.push((performance.now() - start) / 1000);
  if (!other) continue;
  for (const [j, peer] of PEERS.entries()) {
    const run = await other.run(peer.network, peer.batch);
    theirs[j].push(run.seconds);
    peerMemory = run.gigabytes;
  }
}
other?.stop();
await extractor.dispose();
/** The first run is for warming up. */
const rate = (count: number, seconds: number[]): number => count / median(seconds.slice(1));
const imagesPerSecond = rate(batch, own);
const network = {
  batch,
  imagesPerSecond,
  gigabytes: process.resourceUsage().maxRSS / 1e6,
  ...(other && {
    pytorch: Object.fromEntries(
      PEERS.map((peer, j) => {
        const peers = rate(peer.batch, theirs[j]);
        return [peer.name, { batch: peer.batch, imagesPerSecond: peers, ratio: imagesPerSecond / peers }];
      }),
    ),
    pytorchGigabytes: peerMemory,
  }),
};

const size = 2048;
const make = (shift: number): Features => ({
  data: Float32Array.from(
    { length: count * size },
    (_, i) => random.uniform() / (1 + (i % size) / 50) + shift,
  ),
  count,
  size,
});
const seconds: Record<string, number> = {};
async function timed<T>(name: string, action: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await action();
  seconds[name] = (performance.now() - start) / 1000;
  console.error(name, seconds[name].toFixed(1), "s");
  return result;
}
const [a, b] = [make(0), make(0.001)];
const statistics = async (features: Features) => {
  const sums = await gaussianAccumulator(size);
  for (let start = 0; start < count; start += 256) {
    const rows = Math.min(256, count - start);
    await sums.add({ data: features.data.subarray(start * size, (start + rows) * size), count: rows, size });
  }
  await sums.finish();
  return sums.statistics();
};
const [first, second] = [await timed("statistics", () => statistics(a)), await statistics(b)];
const distance = await timed("frechet", () => frechetDistance(first, second));
const scipy = await peerRoot(first, second);
if (scipy) console.error("SciPy", scipy.version, scipy.seconds.toFixed(1), "s");
await timed("kid", () => kernelDistance(a, b));
await timed("precision and recall", () => precisionRecall(a, b));
const probabilities = { data: new Float32Array(count * 1008).fill(1 / 1008), count, size: 1008 };
await timed("inception score", () => inceptionScore(probabilities));
const result = {
  network,
  count,
  seconds,
  ...(scipy && {
    scipy: { ...scipy, ratio: scipy.seconds / seconds.frechet, difference: scipy.distance / distance - 1 },
  }),
  gigabytes: process.resourceUsage().maxRSS / 1e6,
};
console.log(options.json ? JSON.stringify(result, null, 2) : result);
