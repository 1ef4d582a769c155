/** The generator: images by seed and number, watched, by class, by any condition, or by number alone. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  checkGenerate,
  type GenerateOptions,
  networkPredictor,
  type Sampleable,
  type SamplerName,
  type StepProgress,
  sample,
  sampleGenerator,
} from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallDiT, smallSiT } from "./small.ts";

const [sit, dit, free] = [smallSiT(), smallDiT(), smallSiT({ numClasses: 0 })];
const generators = new Map(
  [sit, dit, free].map((small) => [small, sampleGenerator(small.network, small.process)]),
);
const draw = async (small: typeof sit, options: GenerateOptions): Promise<Float32Array> =>
  (await generators.get(small)!.generate(small.params, options)).data;
const DEFAULTS = { labels: [0, 1, 0, 1, 1], sampler: "euler", steps: 3, seed: 1 } as const;
const generate = (change: Partial<GenerateOptions>): Promise<Float32Array> =>
  draw(sit, { ...DEFAULTS, ...change });

const CASES: [typeof sit, SamplerName, Partial<GenerateOptions>?][] = [
  [sit, "euler"],
  [sit, "heun"],
  [sit, "euler-maruyama"],
  [sit, "ddim", { eta: 0.5 }],
  [sit, "dpm-solver++"],
  [sit, "edm", { churn: { amount: 2 } }],
  [dit, "ddpm"],
  [dit, "ddim", { eta: 0.5 }],
  [dit, "dpm-solver++"],
  [dit, "edm", { churn: { amount: 2 } }],
];

for (const [small, sampler, settings] of CASES) {
  const guidance = { scale: 2, interval: [0.2, 0.8] } as const;
  const options = { ...DEFAULTS, sampler, steps: 11, guidance, ...settings };

  test(`${sampler} on ${small.process.type}: an image depends on its seed and number, not on its batch`, async () => {
    const whole = await draw(small, options);
    assert.ok(whole.every(Number.isFinite));
    assert.ok(relativeError(await draw(small, { ...options, batchSize: 2 }), whole) < 1e-5);
    const tail = await draw(small, { ...options, labels: [0, 1, 1], first: 2 });
    assert.ok(relativeError(tail, whole.subarray(2 * 64)) < 1e-4);
    assert.ok(relativeError(await draw(small, { ...options, seed: 2 }), whole) > 0.1);
  });

  test(`${sampler} on ${small.process.type}: watched step by step, the images are the same bit by bit`, async () => {
    const whole = await draw(small, { ...options, batchSize: 3 });
    const seen: StepProgress[] = [];
    const watched = await draw(small, {
      ...options,
      batchSize: 3,
      onStep: (progress) => void seen.push(progress),
    });
    assert.equal(watched, whole);
    // Two batches, of three images and of two.
    assert.equal(
      seen.map(({ step, steps, first, images, denoised }) => [
        step,
        steps,
        first,
        images.shape,
        denoised.shape,
      ]),
      [0, 3].flatMap((first) => {
        const shape = [first === 0 ? 3 : 2, 1, 8, 8];
        return Array.from({ length: 11 }, (_, i) => [i + 1, 11, first, shape, shape]);
      }),
    );
    assert.equal(seen[10].images.data, watched.subarray(0, 3 * 64));
    assert.equal(seen[21].images.data, watched.subarray(3 * 64));
    assert.not.equal(seen[9].images.data, seen[10].images.data);
    // The last step goes to the data as it predicts them, but for the whole drift of Euler-Maruyama.
    if (sampler !== "euler-maruyama") assert.ok(relativeError(seen[10].denoised, seen[10].images) < 1e-3);
  });
}

test("a process's images do not keep tensors", async () => {
  await generate({ sampler: "dpm-solver++", guidance: { scale: 2 } });
  const before = tf.memory().numTensors;
  await generate({ sampler: "dpm-solver++", guidance: { scale: 2 }, batchSize: 5 });
  assert.is(tf.memory().numTensors, before);
});

test("nor where something fails on the way", async () => {
  const options = { ...DEFAULTS, guidance: { scale: 2 }, batchSize: 2 } as const;
  const before = tf.memory().numTensors;
  for (const sampler of ["euler", "dpm-solver++", "euler-maruyama"] as const) {
    let steps = 0;
    const onStep = (): void => {
      if (++steps === 4) throw new Error("stop");
    };
    await rejects(draw(sit, { ...options, sampler, onStep }), /^stop$/);
    const onProgress = (): void => {
      throw new Error("stop");
    };
    await rejects(draw(sit, { ...options, sampler, onProgress }), /^stop$/);
    const y = tf.tensor1d([7], "int32");
    await rejects(draw(sit, { sampler, steps: 3, condition: { y } }), /out of data bounds/);
    y.dispose();
  }
  assert.is(tf.memory().numTensors, before);
});

test("images of one batch differ, and the class and guidance matter", async () => {
  const whole = await generate({ labels: [0, 0] });
  assert.ok(relativeError(whole.subarray(0, 64), whole.subarray(64)) > 0.1);
  assert.ok(relativeError(await generate({ labels: [1, 1] }), whole) > 1e-3);
  assert.ok(relativeError(await generate({ labels: [0, 0], guidance: { scale: 3 } }), whole) > 1e-3);
});

test("all guided channels of a DiT are those of its input, no variance", async () => {
  const options = { ...DEFAULTS, sampler: "ddpm", guidance: { scale: 3 } } as const;
  const whole = await draw(dit, options);
  // The input has one channel: three, as released, and one are the same.
  assert.equal(await draw(dit, { ...options, guidance: { scale: 3, channels: 1 } }), whole);
  assert.ok(relativeError(await draw(dit, { ...options, guidance: undefined }), whole) > 1e-3);
});

test("labels are the condition y; a network without classes draws by number", async () => {
  const y = tf.tensor1d(DEFAULTS.labels.slice(), "int32");
  const { labels, ...rest } = DEFAULTS;
  assert.equal(
    await draw(sit, { ...rest, condition: { y }, batchSize: 2 }),
    await generate({ batchSize: 2 }),
  );
  assert.not.ok(y.isDisposed);
  const images = await draw(free, { ...rest, count: 3, batchSize: 2 });
  assert.is(images.length, 3 * 64);
  assert.ok(relativeError(await draw(free, { ...rest, count: 1, first: 2 }), images.subarray(128)) < 1e-5);
});

test("a function of one's own is sampled from as a network is", async () => {
  // Data N(m, 1) by class: the velocity of the linear path in closed form, of a mean for each class.
  const means = tf.tensor1d([-0.5, 0.8]);
  const closed: Sampleable = {
    name: "closed form",
    input: [1, 8, 8],
    classes: 1,
    conditionOf: (y) => ({ y }),
    nullCondition: (count) => ({ y: tf.fill([count], 1, "int32") }),
    apply({ means }, x, t, { y }) {
      const [at, mean] = [t, tf.gather(means, y as Tensor)].map((value) => tf.reshape(value, [-1, 1, 1, 1]));
      const alpha = tf.sub(1, at);
      const variance = tf.add(tf.square(alpha), tf.square(at));
      const noise = tf.div(tf.mul(tf.sub(x, tf.mul(alpha, mean)), at), variance);
      const data = tf.add(mean, tf.div(tf.mul(tf.sub(x, tf.mul(alpha, mean)), alpha), variance));
      return { output: tf.sub(noise, data), taps: [] };
    },
  };
  const latents = normalTensor(randomGenerator(3), [2, 1, 8, 8]);
  const [steps, guidance] = [6, { scale: 1.5 }];
  const own = sampleGenerator(closed, sit.process);
  const made = await own.generate(
    { means },
    { steps, guidance, sampler: "dpm-solver++", labels: [0, 1], latents },
  );
  const condition = { y: tf.tensor1d([0, 1], "int32") };
  const predict = networkPredictor(closed, { means }, { guidance, condition });
  const expected = await sample("dpm-solver++", predict, latents, { steps });
  assert.ok(relativeError(made, expected) < 1e-5);
  await own.dispose();
});

test("progress reaches the number of images", async () => {
  const seen: number[] = [];
  await generate({ batchSize: 2, onProgress: (done, total) => seen.push(done, total) });
  assert.equal(seen, [2, 5, 4, 5, 5, 5]);
});

test("another grid is other images, and of one program", async () => {
  const whole = await generate({ steps: 4 });
  assert.equal(await generate({ steps: 4, grid: [1, 0.75, 0.5, 0.25, 0] }), whole);
  assert.ok(relativeError(await generate({ steps: 4, grid: { shift: 3 } }), whole) > 1e-3);
});

test("what cannot be drawn is refused before a parameter is read", async () => {
  const unread = new Proxy(sit.params, { get: () => assert.unreachable("a parameter was read") });
  const refused = async (small: typeof sit, change: Partial<GenerateOptions>, message: RegExp) => {
    const options = { ...DEFAULTS, ...change } as GenerateOptions;
    assert.throws(() => checkGenerate(small.network, small.process, options), message);
    await rejects(generators.get(small)!.generate(unread, options), message);
  };
  await refused(sit, { labels: [0, 3] }, /^class id 3 of image 1 is out of range; expected 0 to 1, or 2/);
  await refused(sit, { sampler: "rk4" as "euler" }, /^unknown sampler 'rk4'; expected one of euler/);
  await refused(sit, { sampler: "ddpm" }, /^sampler 'ddpm' is not one for an interpolant/);
  await refused(dit, { sampler: "euler-maruyama" }, /is not one for a Gaussian process/);
  await refused(sit, { steps: 0 }, /steps must be an integer of at least 1, got 0/);
  await refused(sit, { grid: { shift: -1 } }, /^the grid's shift must be/);
  await refused(sit, { batchSize: 0 }, /^batchSize must be an integer of at least 1, got 0$/);
  await refused(sit, { seed: [1, 2] }, /^expected a seed, or one for each of 5 images, got 2$/);
  await refused(
    sit,
    { count: 3 },
    /^what is drawn must be labels, a condition or a count, one of them, got labels and count$/,
  );
  const none = { labels: undefined };
  await refused(sit, none, /one of them, got none$/);
  await refused(sit, { ...none, count: 3 }, /draws by class; expected labels, got a count$/);
  await refused(free, {}, /^the transformer .* knows no classes; expected a count, got labels$/);
  await refused(free, { ...none, count: 0 }, /^count must be an integer of at least 1, got 0$/);
  await refused(
    free,
    { ...none, count: 2, guidance: { scale: 2 } },
    /^classifier-free guidance leaves the condition out, and the network takes none; expected a weaker model/,
  );
  await refused(
    sit,
    { weaker: { params: sit.params } },
    /^a weaker model guides by guidance.scale; expected guidance, got none$/,
  );
  const ragged = { y: tf.zeros([2], "int32"), z: normalTensor(randomGenerator(1), [3, 4]) };
  await refused(
    sit,
    { ...none, condition: ragged },
    /^a condition must have a row for each image .* y \[2\], z \[3,4\]$/,
  );
});

test("clipped, predicted data stay within black and white in every step, as step by step outside of the program", async () => {
  const options = { ...DEFAULTS, sampler: "ddim", steps: 5, clip: true } as const;
  let [largest, widest] = [0, 0];
  const most = ({ data }: { data: Float32Array }): number =>
    data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const clipped = await draw(dit, {
    ...options,
    onStep: ({ denoised }) => {
      largest = Math.max(largest, most(denoised));
    },
  });
  await draw(dit, {
    ...options,
    clip: false,
    onStep: ({ denoised }) => {
      widest = Math.max(widest, most(denoised));
    },
  });
  assert.ok(largest <= 1, `${largest}`);
  assert.ok(widest > 1.5, `${widest}: without it they leave that range, or this tests nothing`);

  const labels = tf.tensor1d(Int32Array.from(DEFAULTS.labels), "int32");
  const predict = networkPredictor(dit.network, dit.params, {
    condition: dit.network.conditionOf(labels, {}),
  });
  const latents = {
    shape: [5, ...dit.network.input],
    dtype: "float32",
    data: clipped.map((_, i) => Math.sin(i)),
  } as const;
  const given = await draw(dit, { ...options, latents: latents as never });
  const { process } = dit;
  const expected = await sample("ddim", predict, tf.tensor(latents.data, [...latents.shape]), {
    steps: 5,
    clip: true,
    process,
  });
  assert.ok(relativeError(given, await expected.data()) < 1e-4);
});

test.after(() =>
  Promise.all([...generators.values()].map((generator) => generator.dispose())).then(() => {}),
);

test.run();
