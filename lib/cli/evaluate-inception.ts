/** `ditlab evaluate` with the FID network. */
import { pathOrPublished } from "../io/index.ts";
import {
  collectFeatures,
  type ImageFiles,
  type InceptionExtractor,
  inceptionExtractor,
  inceptionMetrics,
  type MetricName,
  openImageFiles,
  readInception,
  type SetFeatures,
  type SuiteName,
} from "../metrics/index.ts";
import { fetched } from "./download.ts";
import { progressReporter } from "./progress.ts";

export interface InceptionEvaluation {
  samples: string;
  reference: string;
  suite: SuiteName;
  metrics: readonly MetricName[];
  /** The network's weights, or the name of published ones. */
  weights: string;
  cache: boolean;
}

/** Samples that the paper's and most other numbers are of. */
const USUAL_COUNT = 50_000;

async function featuresOf(
  label: string,
  files: ImageFiles,
  extractor: InceptionExtractor,
): Promise<SetFeatures> {
  const reporter = progressReporter();
  reporter.begin(label, files.count);
  const began = performance.now();
  const features = await collectFeatures(files, extractor, (done) => {
    const rate = done / ((performance.now() - began) / 1000);
    reporter.update(done, `${rate.toPrecision(3)} images a second`);
  });
  reporter.end();
  return features;
}

/** The reference's features; for FID alone its published statistics are enough. */
async function referenceOf(
  files: ImageFiles,
  { reference, suite, metrics }: InceptionEvaluation,
  extractor: InceptionExtractor,
): Promise<SetFeatures> {
  const { pool, spatial } = files.statistics;
  // ADM's archives hold images, or spatial statistics; what is published for other suites has neither.
  const isADM = pool !== undefined && (files.count > 0 || spatial !== undefined);
  const published: SetFeatures["statistics"] = suite === "adm" || !isADM ? files.statistics : {};
  if (files.count === 0 && published.pool === undefined)
    throw new Error(
      `${reference} holds ADM's statistics and no images, which do not compare in the suite ${suite}`,
    );
  const covered = { fid: published.pool, sfid: published.spatial, is: true, pr: false, kid: false };
  if (files.count === 0 || metrics.every((metric) => covered[metric]))
    return { count: files.count, statistics: published };
  const features = await featuresOf("reference", files, extractor);
  const own = features.statistics;
  return {
    ...features,
    statistics: { pool: published.pool ?? own.pool, spatial: published.spatial ?? own.spatial },
  };
}

export async function evaluateInception(options: InceptionEvaluation): Promise<object> {
  const { samples, reference, suite, metrics, cache } = options;
  const sampleFiles = await openImageFiles(samples);
  const referenceFiles = await openImageFiles(await pathOrPublished(reference));
  try {
    if (sampleFiles.count < 2)
      throw new Error(`${samples} has ${sampleFiles.count} images, expected at least 2`);
    const params = await readInception(await fetched(options.weights));
    const extractor = inceptionExtractor(params, { suite, cache });
    const expected = await referenceOf(referenceFiles, options, extractor);
    const features = await featuresOf("samples", sampleFiles, extractor);
    await extractor.dispose();
    const results = await inceptionMetrics(expected, features, metrics);
    return { samples: features.count, reference: expected.count, suite, ...results };
  } finally {
    await sampleFiles.close();
    await referenceFiles.close();
  }
}

/** What a reader of these numbers should know. */
export function caution(results: Record<string, unknown>): string | undefined {
  const { samples, fidBias } = results as { samples: number; fidBias?: number };
  if (samples >= USUAL_COUNT) return undefined;
  const bias =
    fidBias === undefined ? "" : `; about ${fidBias.toPrecision(2)} of the FID is due to their number`;
  return `${samples} samples are fewer than the ${USUAL_COUNT} that published numbers are of${bias}`;
}
