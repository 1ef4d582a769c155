/** The MMDiT against the numbers of its published code: streams, losses and all gradients, samplers. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Batch, makeMethod, methodPreset } from "../../lib/align/index.ts";
import { makeProcess, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import {
  croppedPositions,
  type JointTokens,
  jointBlock,
  type MMDiTConfig,
  makeNetwork,
} from "../../lib/models/index.ts";
import { timestepEmbedding } from "../../lib/nn/embeddings.ts";
import { linear, patchEmbedding } from "../../lib/nn/index.ts";
import { networkPredictor, type SamplerName, sample, sampleGenerator } from "../../lib/samplers/index.ts";
import { type Params, randomGenerator, type Tensor, tf, valueAndGrad } from "../../lib/tensor/index.ts";
import { gradientsOf, lossesOf, makeTask } from "../../lib/train/index.ts";
import { bothWays, close } from "../align/methods.ts";
import { arrays, relativeError } from "../parity.ts";
import { given, MMDIT, network, own, params } from "./mmdit.ts";

const { x, noise, t, context, z0 } = tensorsOf({
  x: given.x,
  noise: given.noise,
  t: given.t,
  context: given.context,
  z0: given.z0,
});
const process = makeProcess(SIT_PROCESS);
const input = process.noised({ x, noise, t });
const condition = { context };

test("streams of image and text, and the velocity", async () => {
  const run = (params: Params, input: Tensor, t: Tensor, context: Tensor) => {
    const positions = croppedPositions(params.pos_embed, 4);
    const embedding = timestepEmbedding(params, "t_embedder", t);
    let tokens: JointTokens = {
      image: tf.add(patchEmbedding(params, "x_embedder.proj", input, 2), positions),
      text: linear(params, "context_embedder", context),
    };
    const streams = [1, 2, 3].map((block) => {
      tokens = jointBlock(params, MMDIT, block, tokens as Required<JointTokens>, tf.expandDims(embedding, 1));
      return tokens;
    });
    const { output, taps } = network.apply(params, input, t, { context }, { taps: [1, 2, 3] });
    const alone = network.features(params, input, t, { context }, { taps: [2, 3] });
    return {
      pos_embed_cropped: tf.clone(positions),
      timestep_embedding: embedding,
      image_stream: tf.stack(streams.map(({ image }) => image)),
      text_stream: tf.stack(streams.flatMap(({ text }) => text ?? [])),
      taps: tf.stack(taps),
      alone: tf.stack(alone),
      velocity: output,
    };
  };
  const compiled = jit(run);
  for (const mode of [run, compiled]) {
    const { taps, alone, ...got } = await mode(own, input, t, context);
    for (const [name, actual] of Object.entries(got)) {
      close(actual, given[name], 1e-4, name);
    }
    assert.ok(relativeError(taps, got.image_stream) < 1e-6);
    assert.ok(relativeError(alone, tf.slice(got.image_stream, [1, 0, 0, 0])) < 1e-6);
  }
  await compiled.dispose();
});

const REPA = {
  method: "repa" as const,
  weight: 0.5,
  block: 2,
  encoders: [{ array: "z0", width: 12 }],
  projectorWidth: 24,
};
const task = makeTask({ model: MMDIT, process: SIT_PROCESS, methods: [REPA] });
const batch: Batch = { x, noise, t, condition, arrays: { z0, captions: context } };

test("REPA's losses and all gradients", async () => {
  const expected = await arrays("methods/mmdit-grads.npz");
  for (const { generative, method, losses, gradients } of await bothWays(task, params, batch)) {
    close(generative, given.gen_loss, 1e-4, "generative");
    const projection = Math.abs(method.dataSync()[0] - scalarOf(given.proj_loss));
    assert.ok(projection < 1e-5);
    const total = losses.generative.dataSync()[0] + 0.5 * losses.repa.dataSync()[0];
    close([total], given.total, 1e-5, "total");
    assert.equal(Object.keys(gradients).sort(), Object.keys(expected).sort());
    for (const [name, gradient] of Object.entries(expected)) close(gradients[name], gradient, 1e-3, name);
  }
});

const drawn = await arrays("methods/mmdit-samplers.npz");
const CASES: readonly [expected: string, SamplerName, scale?: number, noise?: string][] = [
  ["euler", "euler"],
  ["euler_cfg2", "euler", 2],
  ["heun_cfg2", "heun", 2],
  ["sde_cfg2", "euler-maruyama", 2, "sde_eps"],
];
for (const [expected, sampler, scale, noise] of CASES) {
  test(`sampler: ${expected}`, async () => {
    const { latents, context, sde_eps } = tensorsOf({
      latents: drawn.latents,
      context: drawn.context,
      sde_eps: drawn.sde_eps,
    });
    const guidance = scale === undefined ? undefined : { scale };
    const eps = noise === undefined ? undefined : sde_eps;
    const plain = await sample(
      sampler,
      networkPredictor(network, own, { condition: { context }, guidance }),
      latents,
      { steps: 5, process: SIT_PROCESS, ...(eps && { noise: (index: number) => tf.gather(eps, index) }) },
    );
    const generator = sampleGenerator(network, SIT_PROCESS);
    const options = { sampler, steps: 5, condition: { context }, guidance, latents, noise: eps };
    const made = await generator.generate(own, options);
    await generator.dispose();
    close(plain, drawn[expected], 1e-3, "plain");
    close(Array.from(made.data), drawn[expected], 1e-3, "compiled");
  });
}

test("a count of images draws them without a caption", async () => {
  const latents = tensorsOf({ latents: drawn.latents }).latents;
  const generator = sampleGenerator(network, SIT_PROCESS);
  const common = { sampler: "euler", steps: 2, latents } as const;
  const none = network.nullCondition(2, own);
  const expected = await generator.generate(own, { ...common, condition: none });
  const got = await generator.generate(own, { ...common, count: 2 });
  await generator.dispose();
  assert.equal(got.data, expected.data);
  close(
    none.context as Tensor,
    [...given.null_context.data, ...given.null_context.data].map(Number),
    1e-7,
    "none",
  );
});

test("blocks computed again for the gradient give the same gradient", async () => {
  const loss =
    (remat: boolean) =>
    (params: Params): Tensor => {
      const { output, taps } = network.apply(params, input, t, condition, { remat, taps: [2] });
      return tf.add(tf.mean(tf.square(output)), tf.mean(tf.square(taps[0])));
    };
  const { pos_embed, null_context, ...trained } = own;
  const gradient = (remat: boolean) => (given: Params) =>
    valueAndGrad((p: Params) => loss(remat)({ pos_embed, null_context, ...p }))(given).gradient;
  const expected = gradient(false)(trained);
  const compiled = jit(gradient(true));
  for (const got of [gradient(true)(trained), await compiled(trained)])
    for (const [name, value] of Object.entries(expected))
      assert.ok(relativeError(got[name], value) < 1e-5, `${name}: ${relativeError(got[name], value)}`);
  await compiled.dispose();
});

test("a dropped caption is the empty one's features; losses of SRA", () => {
  const methods = [
    {
      method: "sra" as const,
      weight: 0.2,
      studentBlock: 1,
      teacherBlock: 2,
      interval: 0.1,
      distance: "smooth-l1" as const,
      projectionHead: false,
    },
  ];
  const sra = makeTask({ model: MMDIT, process: SIT_PROCESS, methods });
  const draws = [{ interval: tf.tensor1d([0.1, 0.1, 0.1]) }];
  const lossOf = (condition: Batch["condition"], dropped?: boolean[]): Tensor[] => {
    const told = dropped && { dropped: tf.tensor1d(dropped, "bool") };
    const { generative, methods } = lossesOf(sra, own, own, { x, noise, t, condition, draws, ...told });
    return [generative, ...methods];
  };
  // Sample 1 of the fixtures holds the empty caption already.
  const others = tf.concat([tf.slice(context, 0, 1), tf.ones([1, 7, 20]), tf.slice(context, 2, 1)]);
  const [kept, dropped] = [lossOf({ context }), lossOf({ context: others }, [false, true, false])];
  for (const [i, loss] of kept.entries()) assert.equal(dropped[i].dataSync(), loss.dataSync());
  const { gradients } = gradientsOf(sra, own, own, { x, noise, t, condition, draws }, [tf.scalar(0.2)]);
  assert.not("pos_embed" in gradients);
  assert.not("null_context" in gradients);
});

test("layers begin as PyTorch's do, the fixed table and the empty caption as they are", () => {
  const begun = network.init(randomGenerator(3));
  for (const name of ["joint_blocks.1.x_block.mlp.fc2", "joint_blocks.0.context_block.adaLN_modulation.1"]) {
    const [weight, bias] = [begun[`${name}.weight`], begun[`${name}.bias`]];
    const bound = 1 / Math.sqrt(weight.shape[1]!);
    for (const part of [weight, bias]) {
      const most = tf.max(tf.abs(part)).dataSync()[0];
      assert.ok(most <= bound && most > 0.8 * bound, `${name}: ${most} of ${bound}`);
    }
  }
  const patch = tf.max(tf.abs(begun["x_embedder.proj.bias"])).dataSync()[0];
  assert.ok(patch <= 1 / 4 && patch > 0.15, `${patch}`);
  assert.is(tf.max(tf.abs(begun.null_context)).dataSync()[0], 0);
  assert.equal(begun.pos_embed.dataSync(), own.pos_embed.dataSync());
});

test("what does not fit is named", () => {
  const wrong = (change: object): (() => unknown) => {
    return () => makeNetwork({ ...MMDIT, ...change } as MMDiTConfig);
  };
  assert.throws(wrong({ inputSize: 34 }), /inputSize must be at most 16 patches of 2, .*, got 34/);
  assert.throws(wrong({ numClasses: 10 }), /numClasses is unknown/);
  assert.throws(wrong({ type: "mmdi" }), /type must be transformer or mmdit, got "mmdi"/);
  assert.throws(
    () => network.apply(own, input, t, {}),
    /condition must be \{ context \}.* and has no context/,
  );
  assert.throws(
    () => network.apply(own, input, t, { context: z0 }),
    /context must be captions' features \[3,7,20\], got \[3,16,12\]/,
  );
  const each = tf.fill([3, 16], 0.5);
  assert.throws(
    () => network.apply(own, input, each, condition),
    /t must be \[3\], one a sample.* got \[3,16\]/,
  );
  const attentionMask = tf.ones([1, 16, 16], "bool");
  assert.throws(
    () => network.apply(own, input, t, condition, { attentionMask }),
    /no attentionMask, got \[1,16,16\]/,
  );
  for (const name of ["dts-as", "self-flow"] as const) {
    const method = makeMethod(methodPreset(name, { depth: 3, process: SIT_PROCESS }), {
      ...{ network, process: makeProcess(SIT_PROCESS) },
    });
    assert.match(String(method.faults), /method,one whose tokens share a time.*as those of the MMDiT/);
  }
});

test.run();
