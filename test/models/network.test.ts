/** A time for each token and masked attention, against numbers of published code; conditions of other kinds. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { projectionHead } from "../../lib/align/index.ts";
import { makeProcess, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { tensorsOf } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { makeNetwork, type TransformerConfig } from "../../lib/models/index.ts";
import { labelEmbedding } from "../../lib/nn/index.ts";
import {
  mapParams,
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
  valueAndGrad,
} from "../../lib/tensor/index.ts";
import { arrays, relativeError, TINY, weights } from "../parity.ts";

/** Of the fixtures (fixtures/methods/config.json): SRA-DTS-AS, whose tokens come in two groups. */
const GROUPED: TransformerConfig = { ...TINY, hiddenSize: 20, depth: 3, numHeads: 5 };
const grouped = makeNetwork(GROUPED);

/** Images as tokens of (p, q, channel), as the fixtures have them. */
const tokensOf = (images: Tensor): Tensor =>
  tf.reshape(tf.transpose(tf.reshape(images, [-1, 4, 4, 2, 4, 2]), [0, 2, 4, 3, 5, 1]), [-1, 16, 16]);

test("tokens at times of their own, groups that do not see each other: the published code's numbers", async () => {
  const params = await weights("methods/dts-model.safetensors");
  const given = await arrays("methods/dts-main.npz");
  const { x, noise, mask, student_times, labels_student } = tensorsOf({
    x: given.x,
    noise: given.noise,
    mask: given.mask,
    student_times: given.student_times,
    labels_student: given.labels_student,
  });
  const process = makeProcess(SIT_PROCESS);
  const run = (params: Params, x: Tensor, noise: Tensor, t: Tensor, groups: Tensor, y: Tensor) => {
    const input = process.noised({ x, noise, t });
    const attentionMask = tf.equal(tf.expandDims(groups, 2), tf.expandDims(groups, 1));
    const { output, taps } = grouped.apply(params, input, t, { y }, { taps: [1], attentionMask });
    const [alone] = grouped.features(params, input, t, { y }, { taps: [1], attentionMask });
    return {
      velocity: tokensOf(output),
      student: projectionHead(params, taps[0]),
      alone: projectionHead(params, alone),
      generative: process.loss(output, input, { x, noise, t }),
    };
  };
  const compiled = jit(run);
  const [groups, y] = [mask, labels_student].map((ids) => tf.cast(ids, "int32"));
  for (const mode of [run, compiled]) {
    const got = await mode(params, x, noise, student_times, groups, y);
    for (const [actual, name] of [
      [got.velocity, "velocity_tokens"],
      [got.student, "student"],
      [got.alone, "student"],
      [got.generative, "gen_loss"],
    ] as const)
      assert.ok(relativeError(actual, given[name]) < 1e-4, `${name}: ${relativeError(actual, given[name])}`);
  }
  await compiled.dispose();
});

const random = randomGenerator(2);
/** Parameters without the zeros of the initialization. */
const noisy = (config: TransformerConfig): Params =>
  mapParams(makeNetwork(config).init(random), (p) => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)));
const x = normalTensor(random, [2, 4, 8, 8]);

test("one time for all tokens is one time for the sample, gradients included", async () => {
  const network = makeNetwork(TINY);
  const params = noisy(TINY);
  const y = tf.tensor1d([3, 10], "int32");
  const t = tf.tensor1d([0.2, 0.7]);
  const each = tf.tile(tf.expandDims(t, 1), [1, 16]);
  const everyone = tf.ones([1, 16, 16], "bool");
  const loss = (params: Params, x: Tensor, t: Tensor, attentionMask?: Tensor): Tensor =>
    tf.mean(tf.square(network.apply(params, x, t, { y }, { attentionMask }).output));
  const whole = valueAndGrad(loss)(params, x, t);
  const compiled = jit((params: Params, x: Tensor, t: Tensor, mask: Tensor) =>
    valueAndGrad(loss)(params, x, t, mask),
  );
  for (const tokens of [
    valueAndGrad(loss)(params, x, each, everyone),
    await compiled(params, x, each, everyone),
  ]) {
    assert.ok(relativeError(tokens.value, whole.value) < 1e-5);
    for (const [name, gradient] of Object.entries(whole.gradient)) {
      // The keys' own bias has no gradient; of the table only rows in use have one.
      assert.ok(relativeError(tokens.gradient[name], gradient) < 2e-5, name);
    }
  }
  await compiled.dispose();
});

test("class ids are int32, one a sample", () => {
  const config = { ...TINY };
  const network = makeNetwork(config);
  const [params, t] = [noisy(config), tf.tensor1d([0.1, 0.9])];
  const refused = (y: Tensor, got: RegExp): void => {
    for (const run of [
      () => network.apply(params, x, t, { y }),
      () => network.features(params, x, t, { y }, { taps: [1] }),
    ])
      assert.throws(run, got);
  };
  const expected = "^the network's condition y must be class ids \\[2\\] int32, one a sample, got";
  refused(tf.tensor1d([0.7, 1]), new RegExp(`${expected} \\[2\\] float32$`));
  refused(tf.tensor1d([1], "int32"), new RegExp(`${expected} \\[1\\] int32$`));
  refused(tf.tensor1d([1, 1, 0, 0], "int32"), new RegExp(`${expected} \\[4\\] int32$`));
  assert.throws(
    () => labelEmbedding(params, "y_embedder", tf.tensor1d([0.7])),
    /^class ids must be int32, got float32 \[1\]$/,
  );
});

test("a network without classes takes nothing, and has no table of them", () => {
  const config = { ...TINY, numClasses: 0 };
  const network = makeNetwork(config);
  assert.not(Object.keys(network.shapes).some((name) => name.startsWith("y_embedder")));
  assert.equal(network.nullCondition(2), {});
  assert.equal(network.conditionOf(tf.tensor1d([1, 2], "int32"), {}), {});
  const { output } = network.apply(noisy(config), x, tf.tensor1d([0.1, 0.9]), {});
  assert.equal(output.shape, x.shape);
});

test("SiT's first release, told 1 - t and answering with the opposite velocity, drops what is left of a variance", () => {
  const config = { ...TINY, outChannels: 8 };
  const params = noisy(config);
  const condition = { y: tf.tensor1d([3, 10], "int32") };
  const t = tf.tensor1d([0.25, 0.75]);
  const there = makeNetwork(config).apply(params, x, tf.sub(1, t), condition, { taps: [2] });
  const network = makeNetwork({ ...config, reversedTime: true });
  assert.is(network.outChannels, 4);
  const here = network.apply(params, x, t, condition, { taps: [2] });
  const [velocity] = tf.split(there.output, 2, 1);
  assert.equal(here.output.dataSync(), tf.neg(velocity).dataSync());
  assert.equal(here.taps[0].dataSync(), there.taps[0].dataSync());
  assert.equal(
    network.features(params, x, t, condition, { taps: [2] })[0].dataSync(),
    there.taps[0].dataSync(),
  );
});

test.run();
