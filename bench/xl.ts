/**
 * The largest model from a file: SiT-XL/2 with random weights is written as the reference saves it, loaded, and one
 * step sampled, in a process of its own whose memory is measured. npm run bench:xl [-- --json]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SIT_PROCESS } from "../lib/diffusion/index.ts";
import { fromTensor, type NdArray, writeTorch } from "../lib/io/index.ts";
import { loadModel, makeNetwork, modelConfig, parameterCount } from "../lib/models/index.ts";
import { sampleGenerator } from "../lib/samplers/index.ts";
import { randomGenerator } from "../lib/tensor/index.ts";

const NAME = "SiT-XL/2";

/** What an action took, and the process's largest memory up to its end. */
async function timed<T>(action: () => Promise<T>): Promise<{ value: T; seconds: number; gigabytes: number }> {
  const start = performance.now();
  const value = await action();
  const seconds = (performance.now() - start) / 1000;
  return { value, seconds, gigabytes: process.resourceUsage().maxRSS / 1e6 };
}

async function write(path: string): Promise<unknown> {
  const params = makeNetwork(modelConfig(NAME)).init(randomGenerator(0));
  const ema: Record<string, NdArray> = {};
  for (const [name, tensor] of Object.entries(params)) {
    ema[name] = await fromTensor(tensor);
    tensor.dispose();
  }
  const { seconds, gigabytes } = await timed(() => writeTorch(path, { ema, steps: 0 }));
  return { seconds, gigabytes, fileGigabytes: statSync(path).size / 1e9 };
}

async function sample(path: string): Promise<unknown> {
  const loaded = await timed(() => loadModel(path, NAME));
  const { config, params } = loaded.value;
  const generator = sampleGenerator(makeNetwork(config), SIT_PROCESS);
  const options = { labels: [207], sampler: "euler", steps: 1, seed: 0 } as const;
  const first = await timed(() => generator.generate(params, options));
  const second = await timed(() => generator.generate(params, options));
  return {
    parameters: parameterCount(config),
    loadSeconds: loaded.seconds,
    loadGigabytes: loaded.gigabytes,
    firstStepSeconds: first.seconds,
    stepSeconds: second.seconds,
    gigabytes: second.gigabytes,
  };
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    write: { type: "string" },
    sample: { type: "string" },
  },
});
if (values.write) console.log(JSON.stringify(await write(values.write)));
else if (values.sample) console.log(JSON.stringify(await sample(values.sample)));
else {
  const folder = mkdtempSync(join(tmpdir(), "ditlab-xl-"));
  const elsewhere = (what: string): Record<string, number> => {
    const args = ["--import", "tsx", fileURLToPath(import.meta.url), what, join(folder, "xl.pt")];
    const { stdout, status } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (status !== 0) throw new Error(`${what} ended with ${status}`);
    return JSON.parse(stdout);
  };
  try {
    const results = { write: elsewhere("--write"), sample: elsewhere("--sample") };
    if (values.json) console.log(JSON.stringify(results, null, 2));
    else console.table(results);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
