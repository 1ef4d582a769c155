/** `ditlab evaluate` with the FID network. */
import { type Communicator, checkAgreement } from "../distributed/communicator.ts";
import { isFirst } from "../distributed/share.ts";
import { pathOrPublished } from "../io/index.ts";
import {
  type CollectOptions,
  collectFeatures,
  type ImageFiles,
  type ImageFilesOptions,
  type InceptionExtractor,
  type InceptionMetrics,
  type Interval,
  imageSize,
  inceptionExtractor,
  inceptionMetrics,
  METRICS,
  type MetricName,
  openImageFiles,
  readInception,
  type SetFeatures,
  type SuiteName,
  shareFeatures,
} from "../metrics/index.ts";
import { readVAE } from "../vae/index.ts";
import { fetched } from "./download.ts";
import { imageProgress } from "./progress.ts";

export interface InceptionEvaluation {
  samples: string;
  reference: string;
  suite: SuiteName;
  /** By default all that the reference has what it takes for. */
  metrics?: readonly MetricName[];
  /** Also intervals that take as long as ten more distances. */
  intervals: boolean;
  /** The network's weights, or the name of published ones. */
  weights: string;
  /** What decodes latents. */
  vae?: string;
  cache: boolean;
}

export interface InceptionResult extends InceptionMetrics {
  /** Where it was asked for, too. */
  pickscore?: number;
  intervals: InceptionMetrics["intervals"] & { pickscore?: Interval };
  samples: number;
  reference: number;
  suite: SuiteName;
  /** Whether FID or sFID are of statistics that came with the reference. */
  published: boolean;
  /** What a reader of the numbers should know. */
  warnings: string[];
}

/** Samples that the paper's and most other numbers are of. */
const USUAL_COUNT = 50_000;
/** Pooled features: the covariance of no more samples has no inverse. */
const FEATURES = 2048;

async function featuresOf(
  label: string,
  files: ImageFiles,
  extractor: InceptionExtractor,
  options: Pick<CollectOptions, "metrics" | "intervals" | "ranks">,
): Promise<SetFeatures> {
  const { onProgress, end } = imageProgress(label, files.count);
  const features = await collectFeatures(files, extractor, { ...options, onProgress });
  end();
  return features;
}

/** Computes the features that rank 0 collects, without keeping any. */
export async function computeFeatures(
  sets: readonly ImageFiles[],
  extractor: InceptionExtractor,
  ranks: Communicator,
): Promise<void> {
  for (const files of sets) for await (const _ of shareFeatures(files, extractor, ranks));
}

/** What of a reference is published, what must be computed, and which metrics there are. */
interface Plan {
  metrics: readonly MetricName[];
  published: SetFeatures["statistics"];
  missing: readonly MetricName[];
}

/** Said before hours of work, not after. */
function planOf(files: ImageFiles, { reference, suite, metrics }: InceptionEvaluation): Plan {
  const { count, statistics } = files;
  // ADM's archives hold images, or spatial statistics; what is published for other suites has neither.
  const isADM = statistics.pool !== undefined && (count > 0 || statistics.spatial !== undefined);
  const published = suite === "adm" || !isADM ? statistics : {};
  const covered = { fid: published.pool, sfid: published.spatial, is: true, pr: false, kid: false };
  const missing = (metrics ?? METRICS).filter((metric) => !covered[metric]);
  if (count > 0) return { metrics: metrics ?? METRICS, published, missing };
  if (published.pool === undefined)
    throw new Error(
      `${reference} holds ADM's statistics and no images, which do not compare in the suite ${suite}`,
    );
  if (metrics && missing.length > 0)
    throw new Error(`${reference} holds statistics and no images, which ${missing.join(" and ")} would need`);
  return { metrics: METRICS.filter((metric) => covered[metric]), published, missing: [] };
}

/** The reference's features; for FID alone its published statistics are enough. */
async function referenceOf(
  files: ImageFiles,
  { published, missing }: Plan,
  extractor: InceptionExtractor,
  ranks: Communicator | undefined,
): Promise<SetFeatures> {
  if (missing.length === 0) return { count: files.count, statistics: published };
  const features = await featuresOf("reference", files, extractor, { metrics: missing, ranks });
  const own = features.statistics;
  return {
    ...features,
    statistics: { pool: published.pool ?? own.pool, spatial: published.spatial ?? own.spatial },
  };
}

/** What is opened, used and closed whatever happens. */
async function withFiles<T>(
  path: string,
  options: ImageFilesOptions,
  use: (files: ImageFiles) => Promise<T>,
): Promise<T> {
  const files = await openImageFiles(path, options);
  try {
    return await use(files);
  } finally {
    await files.close();
  }
}

/** @returns what rank 0 has found; of the other ranks, which compute features for it, nothing */
export async function evaluateInception(options: InceptionEvaluation): Promise<InceptionResult>;
export async function evaluateInception(
  options: InceptionEvaluation,
  ranks: Communicator | undefined,
): Promise<InceptionResult | undefined>;
export async function evaluateInception(
  options: InceptionEvaluation,
  ranks?: Communicator,
): Promise<InceptionResult | undefined> {
  const { samples, reference, suite, intervals, cache } = options;
  const vae = options.vae === undefined ? undefined : await readVAE(await fetched(options.vae));
  return withFiles(samples, { vae }, async (sampleFiles) =>
    withFiles(await pathOrPublished(reference), { vae }, async (referenceFiles) => {
      if (sampleFiles.count < 2)
        throw new Error(`${samples} has ${sampleFiles.count} images, expected at least 2`);
      const plan = planOf(referenceFiles, options);
      const sizes = await differentSizes(sampleFiles, referenceFiles);
      const counts = [sampleFiles.count, referenceFiles.count, ...plan.missing];
      if (ranks) await checkAgreement(ranks, "set of samples or of reference images", counts.join());
      const params = await readInception(await fetched(options.weights));
      const extractor = inceptionExtractor(params, { suite, cache });
      if (ranks && !isFirst(ranks)) {
        const sets = plan.missing.length > 0 ? [referenceFiles, sampleFiles] : [sampleFiles];
        await computeFeatures(sets, extractor, ranks);
        await extractor.dispose();
        return undefined;
      }
      const expected = await referenceOf(referenceFiles, plan, extractor, ranks);
      const { metrics } = plan;
      const features = await featuresOf("samples", sampleFiles, extractor, { metrics, intervals, ranks });
      await extractor.dispose();
      const results = await inceptionMetrics(expected, features, metrics);
      const { pool, spatial } = referenceFiles.statistics;
      const unnamed = pool && !spatial && referenceFiles.count === 0;
      return {
        samples: features.count,
        reference: expected.count,
        suite,
        published: Object.values(plan.published).some((statistics) => statistics !== undefined),
        ...results,
        warnings: [
          ...fewSamples(features.count, results.fidBias),
          ...sizes,
          ...(unnamed
            ? [`${reference} does not say of which suite its statistics are; ${suite} was assumed`]
            : []),
        ],
      };
    }),
  );
}

async function differentSizes(samples: ImageFiles, reference: ImageFiles): Promise<string[]> {
  if (reference.count === 0) return [];
  const [a, b] = [await imageSize(samples), await imageSize(reference)];
  if (a.width === b.width && a.height === b.height) return [];
  return [`samples are ${a.width} x ${a.height}, the reference images ${b.width} x ${b.height}`];
}

function fewSamples(count: number, fidBias: number | undefined): string[] {
  if (count >= USUAL_COUNT) return [];
  const bias =
    fidBias === undefined ? "" : `; about ${fidBias.toPrecision(2)} of the FID is due to their number`;
  const fewer = count <= FEATURES ? `, and no more than its ${FEATURES} features` : "";
  return [`${count} samples are fewer than the ${USUAL_COUNT} that published numbers are of${fewer}${bias}`];
}

/** For a terminal. */
export function inceptionTable(result: InceptionResult): string {
  const { samples, reference, suite, published, intervals, kid } = result;
  const against = [
    ...(reference > 0 ? [`${reference} reference images`] : []),
    ...(published ? ["published statistics"] : []),
  ].join(" and ");
  const row = (name: string, value: number | undefined, digits: number, key?: keyof typeof intervals) => {
    if (value === undefined) return [];
    const interval = key && intervals[key]?.map((end) => end.toFixed(digits)).join(" .. ");
    return [`${name.padEnd(18)}${value.toFixed(digits).padStart(10)}   ${interval ?? ""}`.trimEnd()];
  };
  return [
    `${samples} samples against ${against}, suite ${suite}`,
    "",
    `${"".padEnd(18)}${"value".padStart(10)}   95 % interval`,
    ...row("FID", result.fid, 3, "fid"),
    ...row("  of which bias", result.fidBias, 3),
    ...row("sFID", result.sfid, 3, "sfid"),
    ...row("Inception Score", result.is, 2, "is"),
    ...row("precision", result.precision, 4, "precision"),
    ...row("recall", result.recall, 4),
    ...row("PickScore", result.pickscore, 3, "pickscore"),
    ...row("KID", kid?.mean, 6),
    ...row("  over subsets", kid?.deviation, 6).map((line) => `${line}   (standard deviation)`),
    "",
  ].join("\n");
}
