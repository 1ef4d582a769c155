/** `ditlab evaluate --pickscore`: how well images fit the captions that they were drawn by. */
import { readCaptionsIndex } from "../data/captions.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { type Part, partsOf, shareOut } from "../distributed/share.ts";
import { nextBatch } from "../metrics/images/batch.ts";
import { type Interval, meanInterval, openImageFiles, openPickScore } from "../metrics/index.ts";
import { readPickScoreConfig } from "../metrics/pickscore.ts";
import { captionTexts } from "../train/caption-condition.ts";
import { readVAE } from "../vae/index.ts";
import { fetched } from "./download.ts";
import { imageProgress } from "./progress.ts";

export interface PickScoreEvaluation {
  samples: string;
  /** Whose first captions the images were drawn by, in turn, as `ditlab sample --captions` does. */
  captions: string;
  /** The model's folder. */
  pickscore: string;
  vae?: string;
}

/** Said before hours of work, not after. @throws where captions or model are not there */
export async function checkPickScore({ captions, pickscore }: Omit<PickScoreEvaluation, "samples">) {
  await readCaptionsIndex(captions);
  await readPickScoreConfig(pickscore);
}

/** Images that are read at a time; a multiple of those that are scored together. */
const PIECE = { unit: 8, most: 64 };

/** The mean over images, and its 95 % interval for other images of as many captions; every rank has it. */
export async function evaluatePickScore(
  { samples, captions, pickscore, vae }: PickScoreEvaluation,
  ranks?: Communicator,
): Promise<{ pickscore: number; interval: Interval }> {
  const index = await readCaptionsIndex(captions);
  const model = await openPickScore(pickscore);
  const files = await openImageFiles(samples, {
    vae: vae === undefined ? undefined : await readVAE(await fetched(vae)),
  });
  const { onProgress, end } = imageProgress("PickScore", files.count);
  const scores: number[] = [];
  const pieces = partsOf(files.count, PIECE);
  const own = files.batches(pieces[0]?.count, ranks);
  async function scoresOf({ from }: Part): Promise<Float32Array> {
    const images = await (await nextBatch(own)).pixels();
    const numbers = images.map((_, i) => from + i);
    return model.score(images, captionTexts(index, numbers));
  }
  try {
    for await (const some of shareOut(pieces, scoresOf, ranks)) {
      scores.push(...some);
      onProgress(scores.length);
    }
  } finally {
    end();
    await own.return(undefined);
    await files.close();
    await model.dispose();
  }
  if (scores.length < 2) throw new Error(`${samples} has ${scores.length} images, expected at least 2`);
  return {
    pickscore: scores.reduce((sum, score) => sum + score, 0) / scores.length,
    interval: meanInterval(scores),
  };
}
