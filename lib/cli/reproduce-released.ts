/** `ditlab reproduce table3 --checkpoint ...`: released weights sampled, measured, and written beside the paper's values. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { readJson } from "../experiments/arm-run.ts";
import { machine } from "../experiments/describe.ts";
import { timingOf } from "../experiments/timing.ts";
import { exists } from "../io/files.ts";
import { claimFolder } from "../io/folders.ts";
import { publishedNames, writeAtomic } from "../io/index.ts";
import { packageVersion } from "../package.ts";
import type { Experiment, ReleasedRow } from "../reproduce/experiment.ts";
import { writePages } from "../reproduce/pages.ts";
import {
  REFERENCE_BATCHES,
  RELEASED_INTERVAL,
  RELEASED_SAMPLING,
  releasedResult,
  releasedRow,
} from "../reproduce/released.ts";
import type { Reproduction } from "../reproduce/reproduce.ts";
import { drawSamples } from "./draw-samples.ts";
import { evaluateInception, type InceptionResult } from "./evaluate-inception.ts";
import { loadSampled } from "./load-sampled.ts";
import type { SampleOptions } from "./sampler-options.ts";

/** What `ditlab reproduce` takes for released weights. */
export interface ReleasedOptions {
  checkpoint?: string;
  reference?: string;
  model?: string;
  vae?: string;
  count?: number;
  samplerSteps?: number;
  inception?: string;
}

const isPublished = (name: string): boolean =>
  publishedNames.some((published) => published.name === name.replace(/\.pt$/, ""));

/** @throws naming what is missing, and where it is to be had */
async function checkFiles(
  { checkpoint: name, resolution }: ReleasedRow,
  { checkpoint, vae, inception }: { checkpoint: string; vae: string; inception: string },
  reference: string | undefined,
): Promise<string> {
  const missing = async (path: string): Promise<boolean> => !isPublished(path) && !(await exists(path));
  if (await missing(checkpoint))
    throw new Error(
      `there is no checkpoint at ${checkpoint}; 'ditlab download ${name}' fetches the authors', or puts it where the message says (2.7 GB of huggingface.co/DyJiang/SRA)`,
    );
  const { file, url } = REFERENCE_BATCHES[resolution];
  const where = `ADM's is ${url}, and 'ditlab prepare reference' makes one of other images`;
  if (reference === undefined)
    throw new Error(
      `--reference is missing, the reference batch ${file} that images are measured against; ${where}`,
    );
  if (await missing(reference)) throw new Error(`there is no reference batch at ${reference}; ${where}`);
  if (await missing(vae))
    throw new Error(
      `there is no VAE at ${vae}; 'ditlab download sd-vae-ft-ema' fetches the paper's (0.3 GB)`,
    );
  if (await missing(inception))
    throw new Error(
      `there are no weights of the FID network at ${inception}; 'ditlab download inception-2015' fetches them (0.1 GB)`,
    );
  return reference;
}

/** What tells a file from another one at its place: it is far too large to read for that. */
async function fileStamp(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  return info ? `${path} ${info.size} ${info.mtimeMs}` : path;
}

/** Does a piece of work, unless a record says that it was done with the same settings. */
async function once<T>(
  record: string,
  settings: Record<string, unknown>,
  isThere: () => Promise<boolean>,
  work: () => Promise<T>,
): Promise<T> {
  const key = JSON.stringify(settings);
  const before = await readJson<{ settings?: string; result?: T }>(record, {});
  if (before.settings === key && (await isThere())) return before.result as T;
  const result = await work();
  await writeAtomic(record, `${JSON.stringify({ settings: key, result })}\n`);
  return result;
}

const sampleOptions = (
  { guidance }: ReleasedRow,
  given: { checkpoint: string; model: string; vae: string; count: number; steps: number },
  out: string,
): SampleOptions => ({
  ...given,
  out,
  interpolant: "linear",
  first: 0,
  sampler: "sde",
  guidance,
  guidanceInterval: [...RELEASED_INTERVAL],
  weights: "ema",
  seed: 0,
  batchSize: 64,
});

/**
 * Samples released weights as the paper does, measures the images as ADM does, and writes the table's pages. What is done
 * is not done again; sampling that was cut off goes on.
 */
export async function reproduceReleased(
  experiments: readonly Experiment[],
  options: ReleasedOptions,
  { folder, command }: { folder: string; command: string },
): Promise<Reproduction> {
  const { experiment, row } = releasedRow(experiments);
  const { model, vae, count, steps } = {
    model: options.model ?? RELEASED_SAMPLING.model,
    vae: options.vae ?? RELEASED_SAMPLING.vae,
    count: options.count ?? RELEASED_SAMPLING.count,
    steps: options.samplerSteps ?? RELEASED_SAMPLING.steps,
  };
  const { checkpoint = row.checkpoint, inception = "inception-2015" } = options;
  const reference = await checkFiles(row, { checkpoint, vae, inception }, options.reference);
  const makes = [
    ...["md", "csv", "json", "html"].map((ending) => `table*.${ending}`),
    ...["npz", "samples.json", "measured.json"].map((ending) => `${row.id}.${ending}`),
    "timing.json",
  ];
  await claimFolder(folder, { kind: "reproduction of released weights", identity: {}, makes });
  const { seconds, save } = await timingOf(join(folder, "timing.json"));
  const timed = async <T>(phase: string, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    const result = await work();
    seconds[phase] = (seconds[phase] ?? 0) + (performance.now() - begun) / 1000;
    await save();
    return result;
  };

  const samples = join(folder, `${row.id}.npz`);
  const drawn = sampleOptions(row, { checkpoint, model, vae, count, steps }, samples);
  const settings = { ...drawn, checkpoint: await fileStamp(checkpoint) };
  await once(
    join(folder, `${row.id}.samples.json`),
    settings,
    () => exists(samples),
    () =>
      timed("sampling", async () => {
        const pipeline = await loadSampled(undefined, drawn);
        try {
          await drawSamples(pipeline, drawn);
        } finally {
          await pipeline.dispose();
        }
      }),
  );
  const measured = await once<InceptionResult>(
    join(folder, `${row.id}.measured.json`),
    { samples: settings, reference: await fileStamp(reference), inception: await fileStamp(inception) },
    async () => true,
    () =>
      timed("measuring", () =>
        evaluateInception({
          samples,
          reference,
          suite: "adm",
          intervals: false,
          weights: inception,
          cache: true,
        }),
      ),
  );
  const { warnings } = measured;
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const { id, title, about, columns } = experiment;
  const result: Reproduction = {
    format: "ditlab-reproduction/1",
    experiment: id,
    ...{ title, about, columns },
    scale: "paper",
    dataset: `ImageNet ${row.resolution}x${row.resolution}`,
    seeds: [drawn.seed],
    steps: 0,
    version: packageVersion,
    command,
    createdAt: new Date().toISOString(),
    machine: await machine(),
    seconds,
    released: { checkpoint, model, reference, count, steps, guidance: row.guidance, warnings },
    rows: [releasedResult(experiment, row, measured)],
    claims: [],
  };
  await writePages(folder, result);
  return result;
}
