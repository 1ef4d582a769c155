/**
 * The features of a small convolutional classifier, trained on the data set at hand. Its distances follow the same formulas
 * as Inception's, but are numbers of another space: compare them only with each other, for the same data set and version.
 */
import { type ImageSet, imageTensor } from "../data/index.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { shareOut } from "../distributed/share.ts";
import type { NdArray } from "../io/index.ts";
import { jit } from "../jit/index.ts";
import { linear } from "../nn/layers.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, type Tensor4D, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import type { Features } from "./features.ts";

export interface SmallCnn {
  name: string;
  params: Params;
  /** On the held-out test images, 0 to 1. */
  accuracy: number;
  featureSize: number;
  parameters: number;
  /** Trained just now rather than read from the cache. */
  fresh: boolean;
}

/** Two convolutions and a linear layer: x [B,C,H,W] in [-1, 1] -> features [B,size] and logits [B,classes]. */
export function cnn(params: Params, x: Tensor): { features: Tensor; logits: Tensor } {
  const conv = (name: string, input: Tensor): Tensor =>
    tf.relu(
      tf.add(
        tf.conv2d(input as Tensor4D, params[`${name}.weight`] as Tensor4D, 2, "same"),
        params[`${name}.bias`],
      ),
    );
  const maps = conv("conv2", conv("conv1", tf.transpose(x, [0, 2, 3, 1])));
  const features = tf.relu(linear(params, "features", tf.reshape(maps, [maps.shape[0], -1])));
  return { features, logits: linear(params, "classes", features) };
}

export interface Evaluated {
  features: Features;
  /** Softmax of the logits. */
  probabilities: Features;
}

const EVALUATION_BATCH = 250;

/** A compiled evaluation of images, given by a maker of batches [B,C,H,W] in [-1, 1], which ranks share. */
async function evaluateImages(
  params: Params,
  count: number,
  batchAt: (start: number, size: number) => Tensor,
  ranks?: Communicator,
): Promise<Evaluated> {
  const forward = jit(
    (params: Params, x: Tensor) => {
      const { features, logits } = cnn(params, x);
      return { features, probabilities: tf.softmax(logits) };
    },
    { name: "classifier" },
  );
  const [featureSize, classes] = [params["features.bias"].shape[0], params["classes.bias"].shape[0]];
  const features = new Float32Array(count * featureSize);
  const probabilities = new Float64Array(count * classes);
  const batches = Array.from({ length: Math.ceil(count / EVALUATION_BATCH) }, (_, i) => i * EVALUATION_BATCH);
  async function ofBatch(start: number) {
    const x = batchAt(start, Math.min(EVALUATION_BATCH, count - start));
    const result = await forward(params, x).finally(() => x.dispose());
    const [features, probabilities] = [await result.features.data(), await result.probabilities.data()];
    disposeTree(result);
    return { features, probabilities };
  }
  try {
    let done = 0;
    for await (const found of shareOut(batches, ofBatch, ranks)) {
      features.set(found.features, done * featureSize);
      probabilities.set(found.probabilities, done * classes);
      done += found.features.length / featureSize;
    }
  } finally {
    await forward.dispose();
  }
  return {
    features: { data: features, count, size: featureSize },
    probabilities: { data: probabilities, count, size: classes },
  };
}

/** Features and class probabilities of the images `indices` of a set, of which each of some ranks computes its share. */
export const cnnFeaturesOfSet = (
  network: Pick<SmallCnn, "params">,
  images: ImageSet,
  indices: ArrayLike<number>,
  ranks?: Communicator,
): Promise<Evaluated> => {
  const batchAt = (start: number, size: number): Tensor =>
    imageTensor(
      images,
      Array.from({ length: size }, (_, i) => indices[start + i]),
    );
  return evaluateImages(network.params, indices.length, batchAt, ranks);
};

/** Features and class probabilities of float images [N,C,H,W] in [-1, 1]. */
export function cnnFeatures(
  network: Pick<SmallCnn, "params">,
  images: NdArray<"float32">,
): Promise<Evaluated> {
  const [count, ...shape] = images.shape;
  const area = shape.reduce((a, b) => a * b, 1);
  return evaluateImages(network.params, count, (start, size) =>
    tf.tensor(images.data.subarray(start * area, (start + size) * area), [size, ...shape]),
  );
}
