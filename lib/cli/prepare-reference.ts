/** `ditlab prepare reference`: the statistics that `evaluate` compares with. */
import { Command } from "commander";
import type { Communicator } from "../distributed/communicator.ts";
import { isFirst } from "../distributed/share.ts";
import { inceptionExtractor, openImageFiles, readInception, writeReference } from "../metrics/index.ts";
import { fetched } from "./download.ts";
import { computeFeatures } from "./evaluate-inception.ts";
import { jsonOption, positiveInteger, withDevice } from "./options.ts";
import { imageProgress } from "./progress.ts";
import { rankTimeoutOption, withRanks } from "./ranks.ts";

export const referenceCommand = (): Command =>
  withDevice(new Command("reference"))
    .description(
      "take the statistics that 'evaluate' compares with, as ADM publishes them, of images of one size",
    )
    .argument("<source>", "what 'prepare images' made, or a .npz of images")
    .argument("<destination>", ".npz for mu, sigma, mu_s, sigma_s and some of the images")
    .option("--images <number>", "images that go along, evenly spread", positiveInteger, 10_000)
    .option("--weights <file>", "the FID network's weights, or the name of published ones", "inception-2015")
    .addOption(jsonOption())
    .addOption(rankTimeoutOption())
    .action((source: string, destination: string, options: ReferenceOptions) =>
      withRanks(options, (ranks) => takeStatistics(source, destination, options, ranks)),
    );

interface ReferenceOptions {
  images: number;
  weights: string;
  rankTimeout: number;
  json?: boolean;
}

/** Features of images are computed by all ranks, and rank 0 writes what is made of them. */
async function takeStatistics(
  source: string,
  destination: string,
  { images, weights, json }: ReferenceOptions,
  ranks: Communicator | undefined,
): Promise<void> {
  if (!destination.endsWith(".npz"))
    throw new Error(`a reference is a .npz file, got "${destination}" as its name`);
  const files = await openImageFiles(source);
  const params = await readInception(await fetched(weights));
  const extractor = inceptionExtractor(params, { suite: "adm", cache: true });
  try {
    if (ranks && !isFirst(ranks)) return await computeFeatures([files], extractor, ranks);
    const { onProgress, end } = imageProgress("images", files.count);
    const result = await writeReference(destination, files, extractor, { images, ranks, onProgress });
    end();
    const text = `${destination}: statistics of ${result.count} images, and ${result.images} of them\n`;
    process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : text);
  } finally {
    await extractor.dispose();
    await files.close();
  }
}
