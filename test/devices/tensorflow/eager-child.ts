/** A process that computes the same on `cpu` and on `tensorflow`, and prints how far they are apart, a line of JSON. */
import { useDevice } from "../../../lib/devices/index.ts";
import { jit } from "../../../lib/jit/index.ts";
import { makeNetwork } from "../../../lib/models/index.ts";
import { conv2d, upsampleConv2d } from "../../../lib/nn/index.ts";
import { predictor, sample } from "../../../lib/samplers/index.ts";
import {
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
  valueAndGrad,
} from "../../../lib/tensor/index.ts";
import { randomParams } from "../../samplers/small.ts";

const random = randomGenerator(4);
const network = makeNetwork({
  inputSize: 8,
  patchSize: 2,
  inChannels: 4,
  hiddenSize: 48,
  depth: 3,
  numHeads: 3,
  mlpRatio: 4,
  numClasses: 10,
  qkNorm: false,
});
const params = randomParams(network, random);
const [x, noise] = [normalTensor(random, [2, 4, 8, 8]), normalTensor(random, [2, 4, 8, 8])];
const t = tf.tensor1d([0.3, 0.8]);
const y = tf.tensor1d([3, 7], "int32");
const layer: Params = {
  "conv.weight": normalTensor(random, [5, 4, 3, 3]),
  "conv.bias": normalTensor(random, [5]),
};
const model = (params: Params, x: Tensor, t: Tensor): Tensor =>
  network.apply(params, x, t, { y }).output as Tensor;
const loss = valueAndGrad((params: Params): Tensor => tf.mean(tf.square(model(params, x, t))) as Tensor);
const convolved = valueAndGrad(
  (layer: Params): Tensor =>
    tf.sum(tf.square(conv2d(layer, "conv", x, { padding: [1, 0, 0, 2], stride: 2 }))) as Tensor,
);
const upsampled = valueAndGrad(
  ({ x }: Params): Tensor => tf.sum(tf.square(upsampleConv2d(layer, "conv", x))) as Tensor,
);

/** What is computed, by name. */
const computations: Record<string, () => Promise<Tensor | Tensor[]>> = {
  product: async () => tf.matMul(tf.reshape(x, [16, 32]), tf.reshape(noise, [32, 16])),
  network: async () => model(params, x, t),
  gradients: async () => Object.values(loss(params).gradient),
  convolution: async () => [convolved(layer).value, ...Object.values(convolved(layer).gradient)],
  upsampling: async () => upsampled({ x }).gradient.x,
  samples: async () => {
    const velocity = predictor((x, t) => model(params, x, t), {});
    return sample("heun", velocity, noise, { steps: 4 });
  },
  compiled: async () => tf.add(await jit(model)(params, x, t), 1) as Tensor,
  integers: async () => [
    tf.argMax(tf.reshape(x, [16, 32]), 1),
    tf.round(y),
    tf.cumsum(y),
    tf.topk(tf.reshape(x, [16, 32]), 3).indices,
    tf.gather(y, tf.tensor1d([1, 0], "int32")),
  ],
};

const results: Record<string, Record<string, Float32Array[]>> = {};
for (const device of ["cpu", "tensorflow"] as const) {
  await useDevice(device);
  results[device] = {};
  for (const [name, compute] of Object.entries(computations)) {
    const tensors = [await compute()].flat();
    results[device][name] = await Promise.all(
      tensors.map(async (tensor) => Float32Array.from(await tensor.data())),
    );
  }
}
/** Largest difference as a share of the largest number. */
const errors = Object.fromEntries(
  Object.entries(results.cpu).map(([name, arrays]) => {
    const shares = arrays.map((expected, i) => {
      const got = results.tensorflow[name][i];
      if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
      return expected.reduce((most, value, j) => Math.max(most, Math.abs(value - got[j])), 0) / largest;
    });
    return [name, Math.max(...shares)];
  }),
);
console.log(JSON.stringify({ node: process.version, backend: tf.getBackend(), errors }));
process.exit(0);
