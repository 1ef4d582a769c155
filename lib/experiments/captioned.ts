/** Small captioned pictures as a data set: models are trained on some, draw others by their captions, and are judged by the facts. */
import { type Captions, COLOURS, CORNERS, captionedDigits, type Dataset, type Facts } from "../data/index.ts";
import { type FactReader, factReader } from "../metrics/index.ts";
import { TEXT_GUIDANCE } from "../train/caption-condition.ts";

/** Seeds of corners and colours. */
const [TRAIN_SEED, TEST_SEED] = [0, 1];

export interface CaptionedDataset extends Dataset {
  /** Of the training pictures. */
  readonly captions: Captions;
  /** Of the test pictures: what is drawn, and what is to be seen in it. */
  readonly heldOut: { readonly captions: Captions; readonly facts: readonly Facts[] };
  readonly reader: FactReader;
  /** The scale of classifier-free guidance that pictures are drawn with: the paper's for text to image. */
  readonly guidance: number;
}

export const isCaptioned = (dataset: Dataset): dataset is CaptionedDataset => "heldOut" in dataset;

/**
 * Captioned pictures of a data set of grey images, as many. All that captions tell apart are classes of their own, so that
 * the feature network has to see what, where and in which colour.
 */
export async function captionedDataset({ name, classes, train, test }: Dataset): Promise<CaptionedDataset> {
  const labelOf = ({ what, corner, colour }: Facts): number =>
    (what * CORNERS.length + corner) * COLOURS.length + colour;
  const [trained, heldOut] = await Promise.all([
    captionedDigits(train, classes, { seed: TRAIN_SEED }),
    captionedDigits(test, classes, { seed: TEST_SEED }),
  ]);
  const labelled = ({ images, facts }: typeof trained) => ({
    ...images,
    labels: Uint8Array.from(facts, labelOf),
  });
  return {
    name: `captioned-${name}`,
    classes: classes.flatMap((what) =>
      CORNERS.flatMap((corner) => COLOURS.map(([colour]) => `${colour} ${what}, ${corner}`)),
    ),
    train: labelled(trained),
    test: labelled(heldOut),
    captions: trained.captions,
    heldOut: { captions: heldOut.captions, facts: heldOut.facts },
    reader: factReader(train),
    guidance: TEXT_GUIDANCE,
  };
}
