/** Reading `results.json` and the pictures it names. */

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Results, RunResult } from "../results.ts";

/** PNG pictures as data URIs, by the name that the results give them. */
export type ReportImages = ReadonlyMap<string, string>;

type Check = (value: unknown, path: string) => void;

function fail(path: string, expected: string): never {
  throw new Error(`results file: ${path} should be ${expected}`);
}

const text: Check = (value, path) => {
  if (typeof value !== "string") fail(path, "text");
};
const number: Check = (value, path) => {
  if (typeof value !== "number") fail(path, "a number (or null where it is not finite)");
};
const flag: Check = (value, path) => {
  if (typeof value !== "boolean") fail(path, "true or false");
};
const scalar: Check = (value, path) => {
  if (!["string", "number", "boolean"].includes(typeof value)) fail(path, "text, a number, true or false");
};
const list =
  (item: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) fail(path, "a list");
    value.forEach((entry: unknown, i) => {
      item(entry, `${path}[${i}]`);
    });
  };

function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(path, "an object");
  return Object.entries(value);
}

const shape =
  (fields: Record<string, Check>): Check =>
  (value, path) => {
    const entries = new Map(entriesOf(value, path));
    for (const [name, check] of Object.entries(fields)) check(entries.get(name), `${path}.${name}`);
  };
const record =
  (item: Check): Check =>
  (value, path) => {
    for (const [name, entry] of entriesOf(value, path)) item(entry, `${path}.${name}`);
  };
const oneOf =
  (...names: string[]): Check =>
  (value, path) => {
    if (!names.some((name) => name === value)) fail(path, names.map((name) => `"${name}"`).join(" or "));
  };
const optional =
  (check: Check): Check =>
  (value, path) => {
    if (value !== undefined) check(value, path);
  };

const metrics = shape({ frechet: number, inceptionScore: number, precision: number, recall: number });
const runWith = (curve: Check): Check =>
  shape({
    seed: number,
    curve,
    evaluations: list(
      shape({ step: number, metrics, probe: list(shape({ timestep: number, accuracy: list(number) })) }),
    ),
    samples: text,
    trainSeconds: number,
    stepSeconds: number,
  });
const run = runWith(shape({ step: list(number), losses: record(list(number)) }));
/** What both formats have. */
const common = {
  version: text,
  createdAt: text,
  dataset: text,
  scale: text,
  seeds: list(number),
  realImages: metrics,
  realSamples: text,
  sampleCounts: shape({ generated: number, reference: number, probeTrain: number, probeTest: number }),
  featureNetwork: shape({ name: text, accuracy: number, featureSize: number, parameters: number }),
  settings: record(record(scalar)),
  machine: shape({
    cpu: text,
    cores: number,
    memoryGiB: number,
    os: text,
    node: text,
    onnxruntime: text,
    gpu: optional(text),
  }),
  seconds: record(number),
};
const results = shape({
  format: oneOf("ditlab-results/1", "ditlab-results/2"),
  ...common,
  arms: list(shape({ name: text, label: text, phrase: text, runs: list(run) })),
  probeBlocks: optional(list(shape({ block: number, label: text, planned: optional(flag) }))),
});
const run1 = runWith(shape({ step: list(number), generative: list(number), align: list(number) }));
/** Of the first format, whose two arms were always a baseline and SRA. */
const results1 = shape({
  ...common,
  arms: list(shape({ arm: oneOf("baseline", "sra"), label: text, runs: list(run1) })),
  align: shape({ studentBlock: number, teacherBlock: number }),
});

type RunResult1 = Omit<RunResult, "curve"> & {
  curve: { step: number[]; generative: number[]; align: number[] };
};
type Results1 = Omit<Results, "format" | "arms" | "probeBlocks"> & {
  arms: { arm: "baseline" | "sra"; label: string; runs: RunResult1[] }[];
  align: { studentBlock: number; teacherBlock: number };
};

const PHRASES = { baseline: "the baseline", sra: "SRA" } as const;

/** A file of the first format as one of the second. */
const migrated = ({ arms, align, ...rest }: Results1): Results => ({
  ...rest,
  format: "ditlab-results/2",
  arms: arms.map(({ arm, runs, ...others }) => ({
    name: arm,
    phrase: PHRASES[arm],
    ...others,
    runs: runs.map(({ curve: { step, generative, align }, ...run }) => ({
      ...run,
      curve: { step, losses: { generative, ...(align.length > 0 && { sra: align }) } },
    })),
  })),
  probeBlocks: [{ block: align.studentBlock, label: `aligned block ${align.studentBlock}` }],
});

const isFirstFormat = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "format" in value && value.format === "ditlab-results/1";

/**
 * Parses and checks the text of a results file, of the first format, too. JSON has no NaN: `null`, which is what
 * `JSON.stringify` writes for one, is read as NaN.
 *
 * @throws Error that names the first field that does not fit, or an unknown format.
 */
export function parseResults(json: string): Results {
  const value: unknown = JSON.parse(json, (_, entry: unknown) => (entry === null ? Number.NaN : entry));
  if (isFirstFormat(value)) {
    results1(value, "results");
    return migrated(value as Results1);
  }
  results(value, "results");
  return value as Results;
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * Reads the pictures that the results name, relative to the results file. A picture that does not exist is left out,
 * and the report says so in its place.
 *
 * @throws Error when a named file exists but is not a PNG.
 */
export async function readImages(data: Results, resultsPath: string): Promise<ReportImages> {
  const names = [data.realSamples, ...data.arms.flatMap((arm) => arm.runs.map((entry) => entry.samples))];
  const images = new Map<string, string>();
  for (const name of new Set(names)) {
    const bytes = await readFile(resolve(dirname(resultsPath), name)).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      },
    );
    if (bytes === undefined) continue;
    if (!bytes.subarray(0, 8).equals(PNG_SIGNATURE)) throw new Error(`not a PNG file: ${name}`);
    images.set(name, `data:image/png;base64,${bytes.toString("base64")}`);
  }
  return images;
}

/** Width and height in pixels of a PNG data URI, from its header; undefined for anything else. */
export function pngSize(dataUri: string): { width: number; height: number } | undefined {
  const prefix = "data:image/png;base64,";
  if (!dataUri.startsWith(prefix)) return undefined;
  const header = Buffer.from(dataUri.slice(prefix.length, prefix.length + 32), "base64");
  if (header.length < 24 || !header.subarray(0, 8).equals(PNG_SIGNATURE)) return undefined;
  return { width: header.readUInt32BE(16), height: header.readUInt32BE(20) };
}
