/**
 * SiT's first release counts time from noise (0) to data (1), predicts the velocity along it, and has channels for a
 * variance that nothing trained. Loaded as `reversedTime` it gives the images of that convention, written out by hand.
 */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { fromTensor, type NdArray, writeTorch } from "../../lib/io/index.ts";
import { loadModel, makeNetwork, type NetworkConfig } from "../../lib/models/index.ts";
import { networkPredictor, sample, sampleGenerator } from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { SMALL_MODEL } from "../models/small.ts";
import { relativeError } from "../parity.ts";
import { randomParams } from "./small.ts";

const CONFIG: NetworkConfig = { ...SMALL_MODEL, inChannels: 2, outChannels: 4, numClasses: 3 };
const released = makeNetwork(CONFIG);
const params = randomParams(released, randomGenerator(1));
const path = join(await temporaryFolder(), "first.pt");
const arrays: Record<string, NdArray> = {};
for (const [name, tensor] of Object.entries(params)) arrays[name] = await fromTensor(tensor);
await writeTorch(path, { ema: arrays });

const noise = normalTensor(randomGenerator(2), [3, 2, 8, 8]);
const labels = [0, 2, 1];
const y = tf.tensor1d(labels, "int32");

/** The velocity from noise to data at the release's time, under guidance. */
function ownVelocity(x: Tensor, s: number, scale: number): Tensor {
  const of = (y: Tensor): Tensor =>
    tf.split(released.apply(params, x, tf.fill([3], s), { y }).output, 2, 1)[0];
  const [none, some] = [of(tf.fill([3], 3, "int32")), of(y)];
  return tf.add(none, tf.mul(tf.sub(some, none), scale));
}

/** Euler's and Heun's steps from s = 0 to 1; the last of Heun's is one of Euler's, as the released sampler's end is. */
function byHand(steps: number, scale: number, second: boolean): Tensor {
  let x: Tensor = noise;
  const h = 1 / steps;
  for (let i = 0; i < steps; i++) {
    const first = ownVelocity(x, i * h, scale);
    const ahead = tf.add(x, tf.mul(first, h));
    x =
      second && i < steps - 1
        ? tf.add(x, tf.mul(tf.add(first, ownVelocity(ahead, (i + 1) * h, scale)), h / 2))
        : ahead;
  }
  return x;
}

const { config, params: loaded } = await loadModel(path, { ...CONFIG, reversedTime: true });
const network = makeNetwork(config);

for (const [sampler, second] of [
  ["euler", false],
  ["heun", true],
] as const)
  for (const scale of [1, 2.5])
    test(`${sampler} with guidance ${scale} gives the first release's images`, async () => {
      const expected = byHand(5, scale, second);
      const guidance = { scale };
      const predict = networkPredictor(network, loaded, { condition: { y }, guidance });
      const plain = await sample(sampler, predict, noise, { steps: 5 });
      assert.ok(relativeError(plain, expected) < 1e-5, `plain ${relativeError(plain, expected)}`);
      const generator = sampleGenerator(network, SIT_PROCESS);
      const made = await generator.generate(loaded, { labels, sampler, steps: 5, guidance, latents: noise });
      assert.ok(relativeError(made, expected) < 1e-5, `generator ${relativeError(made, expected)}`);
      await generator.dispose();
    });

test.run();
