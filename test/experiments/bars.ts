/** A data set that a small classifier learns in no time. */
import type { Dataset, ImageSet } from "../../lib/data/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";

/** Images whose class is the place of a bright bar. */
function bars(count: number, seed: number): ImageSet {
  const random = randomGenerator(seed);
  const labels = Uint8Array.from({ length: count }, () => random.integer(4));
  const images = Uint8Array.from({ length: count * 64 }, (_, i) =>
    Math.floor((i % 8) / 2) === labels[Math.floor(i / 64)] ? 150 + random.integer(100) : random.integer(80),
  );
  return { images, labels, count, height: 8, width: 8, channels: 1 };
}

export const dataset: Dataset = {
  name: "mnist",
  classes: ["a", "b", "c", "d"],
  train: bars(2000, 1),
  test: bars(500, 2),
};
