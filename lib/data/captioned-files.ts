/** Small captioned pictures as files, for the command: images as a preparation writes them, and captions beside them. */
import { join } from "node:path";
import pMap from "p-map";
import { writeAtomic } from "../io/files.ts";
import { checkIdentity, claimFolder, type Manifest } from "../io/folders.ts";
import { formatNpy, ndarray } from "../io/index.ts";
import type { CaptionedSet } from "./captioned-digits.ts";
import { CAPTIONS_FILE, CAPTIONS_FORMAT, FEATURES_FILE } from "./captions.ts";
import { encodePng } from "./crop.ts";
import { numberedName } from "./destination.ts";
import { LABELS_FILE } from "./sources.ts";

const MAKES = [
  "images/*/img*.png",
  `images/${LABELS_FILE}`,
  `captions/${CAPTIONS_FILE}`,
  `captions/${FEATURES_FILE}`,
];

/**
 * Writes `images` and `captions` into a folder: for `ditlab train --images` and `--captions`.
 * @param description what the set was made of; a folder that holds another is refused
 */
export async function writeCaptioned(
  { images, captions }: CaptionedSet,
  destination: string,
  description: Readonly<Record<string, string | number>>,
): Promise<void> {
  const manifest: Manifest = { kind: "set of captioned pictures", identity: description, makes: MAKES };
  const found = await claimFolder(destination, manifest);
  if (found) checkIdentity(found, description, `${destination} holds other captioned pictures`);
  const { width, height, count, labels } = images;
  const area = 3 * width * height;
  const names = Array.from({ length: count }, (_, i) => numberedName("img", i, "png"));
  await pMap(
    names,
    async (name, i) => {
      const data = images.images.subarray(i * area, (i + 1) * area);
      await writeAtomic(join(destination, "images", name), await encodePng({ data, width, height }));
    },
    { concurrency: 16 },
  );
  const { texts, features } = captions;
  const rows = await features.read(texts.map((_, i) => i));
  const array = ndarray(rows as Float32Array<ArrayBuffer>, [texts.length, ...features.shape]);
  const folder = join(destination, "captions");
  await writeAtomic(join(folder, FEATURES_FILE), formatNpy(array));
  const index = { format: CAPTIONS_FORMAT, texts, images: captions.images };
  await writeAtomic(join(folder, CAPTIONS_FILE), `${JSON.stringify(index)}\n`);
  const listed = names.map((name, i) => [name, labels[i]]);
  await writeAtomic(join(destination, "images", LABELS_FILE), JSON.stringify({ labels: listed }));
}
