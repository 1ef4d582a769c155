/** The FID network's weights: from files, and as the network wants them. */
import { openWeights, toFloat32 } from "../../io/index.ts";
import { checkShapes, type Params } from "../../tensor/params.ts";
import { tf } from "../../tensor/tf.ts";
import { readFrozenGraph } from "./frozen-graph.ts";
import { type InceptionArrays, inceptionShapes, LAYERS } from "./layers.ts";
import { SPATIAL_CHANNELS, SPATIAL_LAYER } from "./network.ts";

/** Added to variances before their root. */
const EPSILON = 1e-3;

/**
 * Convolutions with their batch norms folded in, in double precision: `weight gamma / sqrt(var + eps)` and
 * `beta - mean gamma / sqrt(var + eps)`; the spatial features' convolution apart, as it is.
 */
export function foldInception(arrays: InceptionArrays): Params {
  const params: Params = {
    "fc.weight": tf.tensor(arrays["fc.weight"], inceptionShapes()["fc.weight"]),
    "fc.bias": tf.tensor1d(arrays["fc.bias"]),
  };
  for (const { name, in: input, out, kernel } of LAYERS) {
    const [weight, gamma, beta, mean, variance] = [
      "conv.weight",
      "bn.weight",
      "bn.bias",
      "bn.running_mean",
      "bn.running_var",
    ].map((part) => arrays[`${name}.${part}`]);
    const each = input * kernel[0] * kernel[1];
    const scale = Float64Array.from(gamma, (value, c) => value / Math.sqrt(variance[c] + EPSILON));
    const folded = weight.map((value, i) => value * scale[Math.floor(i / each)]);
    params[`${name}.weight`] = tf.tensor(folded, [out, input, ...kernel]);
    params[`${name}.bias`] = tf.tensor1d(beta.map((value, c) => value - mean[c] * scale[c]));
    if (name !== SPATIAL_LAYER) continue;
    params["spatial.weight"] = tf.tensor(weight.slice(0, SPATIAL_CHANNELS * each), [
      SPATIAL_CHANNELS,
      input,
      ...kernel,
    ]);
    params["spatial.bias"] = tf.zeros([SPATIAL_CHANNELS]);
  }
  return params;
}

/**
 * Reads `pt_inception-2015-12-05-6726825d.pth`, the same as safetensors, or ADM's `classify_image_graph_def.pb`.
 * @throws naming the file; one error lists all parameters that are missing, unexpected and of the wrong shape.
 */
export async function readInception(path: string): Promise<Params> {
  if (path.toLowerCase().endsWith(".pb")) return foldInception(await readFrozenGraph(path));
  const file = await openWeights(path);
  try {
    const shapes = inceptionShapes();
    const counters = /\.num_batches_tracked$/;
    const got = Object.fromEntries(Object.entries(file.shapes).filter(([name]) => !counters.test(name)));
    checkShapes(got, shapes, `Inception-v3 of ${path}`);
    const arrays: InceptionArrays = {};
    for (const name of Object.keys(shapes)) arrays[name] = toFloat32(await file.read(name));
    return foldInception(arrays);
  } finally {
    await file.close();
  }
}
