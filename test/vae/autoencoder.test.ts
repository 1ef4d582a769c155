/** AutoencoderKL against diffusers' numbers, eager and compiled. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type NdArray, readSafetensors, tensorsOf, writeSafetensors } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  decode,
  decodeTiled,
  downsampling,
  encode,
  initVAE,
  parseVAEConfig,
  readVAE,
  SD_VAE,
  samplePosterior,
  type VAEConfig,
  vaeShapes,
} from "../../lib/vae/index.ts";
import { fixture, rejects } from "../io/helpers.ts";
import { arrays, relativeError, weights } from "../parity.ts";

const json = JSON.parse(readFileSync(fixture("vae-config.json"), "utf8"));
const config = parseVAEConfig(json);
const params = await weights("vae.safetensors");
const { x, mean, std, decoded_mean } = tensorsOf(await arrays("vae.npz"));

test("the fixture's parameters are those of its config", () => {
  const shapes = Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, shape]));
  assert.equal(Object.keys(shapes).sort(), Object.keys(vaeShapes(config)).sort());
  for (const [name, shape] of Object.entries(vaeShapes(config))) assert.equal(shapes[name], shape, name);
});

test("encoder and decoder are diffusers', eager and compiled", async () => {
  const encoder = (params: Params, x: Tensor) => encode(params, config, x);
  // The fixture decodes the mean as it is, without diffusion's scale.
  const decoder = (params: Params, z: Tensor) => decode(params, config, tf.mul(z, config.scale));
  const [compiledEncoder, compiledDecoder] = [jit(encoder), jit(decoder)];
  for (const [way, posterior, image] of [
    ["eager", encoder(params, x), decoder(params, mean)],
    ["jit", await compiledEncoder(params, x), await compiledDecoder(params, mean)],
  ] as const) {
    assert.ok(relativeError(posterior.mean, mean) < 1e-4, `${way} ${relativeError(posterior.mean, mean)}`);
    assert.ok(relativeError(posterior.std, std) < 1e-4, `${way} ${relativeError(posterior.std, std)}`);
    assert.ok(relativeError(image, decoded_mean) < 1e-4, `${way} ${relativeError(image, decoded_mean)}`);
  }
  await Promise.all([compiledEncoder.dispose(), compiledDecoder.dispose()]);
});

test("compiled, images stay in one layout", () => {
  const { operators } = jit((params: Params, z: Tensor) => decode(params, config, z)).lower([params, mean]);
  // Two upsamplings, interleaved twice each, and the attention's tokens, there and back.
  assert.ok((operators.Transpose ?? 0) <= 6, `${operators.Transpose} transposes`);
});

test("the posterior is sampled with the scale of diffusion", () => {
  const noise = normalTensor(randomGenerator(1), mean.shape);
  const expected = tf.mul(tf.add(mean, tf.mul(std, noise)), 0.18215);
  assert.ok(relativeError(samplePosterior({ mean, std }, noise, config), expected) < 1e-6);
});

test("SD-VAE: its size, and sides that are multiples of eight", () => {
  const count = Object.values(vaeShapes(SD_VAE)).reduce(
    (sum, shape) => sum + shape.reduce((product, d) => product * d, 1),
    0,
  );
  assert.is(count, 83_653_863);
  assert.is(downsampling(SD_VAE), 8);
  assert.throws(
    () => encode({}, SD_VAE, tf.zeros([1, 3, 256, 100])),
    /^images for the VAE must be \[batch,3,height,width\], sides multiples of 8, got \[1,3,256,100\]$/,
  );
  assert.throws(
    () => decode({}, SD_VAE, tf.zeros([1, 3, 32, 32])),
    /^latents for the VAE must be \[batch,4,height,width\], got \[1,3,32,32\]$/,
  );
});

test("tiles: one is the whole, several meet without a seam", async () => {
  const run = (z: Tensor): Tensor => decode(params, config, z);
  const small = normalTensor(randomGenerator(2), [1, 4, 6, 5]);
  const whole = await decodeTiled(run, small, { tile: 8, scale: 4 });
  assert.ok(relativeError(whole, run(small)) === 0);

  // A decoder of single pixels has no seams at all, whatever the tiles.
  const pixelwise = (z: Tensor): Tensor => {
    const wide = tf.image.resizeNearestNeighbor(tf.transpose(z, [0, 2, 3, 1]) as never, [
      4 * z.shape[2]!,
      4 * z.shape[3]!,
    ]);
    return tf.transpose(wide, [0, 3, 1, 2]);
  };
  const large = normalTensor(randomGenerator(3), [2, 4, 21, 14]);
  const tidy = (z: Tensor): Tensor => tf.tidy(() => pixelwise(z));
  const before = tf.memory().numTensors;
  (await decodeTiled(tidy, large, { tile: 8, scale: 4 })).dispose();
  let calls = 0;
  const failing = (z: Tensor): Tensor => {
    if (++calls === 3) throw new Error("stop");
    return tidy(z);
  };
  await rejects(decodeTiled(failing, large, { tile: 8, scale: 4 }), /^stop$/);
  assert.is(tf.memory().numTensors, before);
  for (const overlap of [0.25, 0.5]) {
    const tiled = await decodeTiled(pixelwise, large, { tile: 8, overlap, scale: 4 });
    assert.equal(tiled.shape, [2, 4, 84, 56]);
    assert.ok(relativeError(tiled, pixelwise(large)) < 1e-6);
  }
});

test("tiles are blended along a line", async () => {
  // A decoder that paints each tile in the number of its call: 0, 1, ... from left to right.
  let calls = 0;
  const painter = (z: Tensor): Tensor => tf.fill([1, 1, 2 * z.shape[2]!, 2 * z.shape[3]!], calls++);
  const tiled = await decodeTiled(painter, tf.zeros([1, 1, 4, 7]), { tile: 4, overlap: 0.25, scale: 2 });
  // Tiles begin at latents 0, 3 and 6; each is 8 pixels wide, meets the next one after 6, and blends over 2.
  const row = tiled.dataSync().slice(0, 14);
  assert.equal([...row], [0, 0, 0, 0, 0, 0, 0, 0.5, 1, 1, 1, 1, 1, 1.5]);
});

test("a folder of diffusers' is read, with the attention's names of before", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ditlab-vae-"));
  const write = async (name: string, tensors: Record<string, NdArray>): Promise<string> => {
    const path = join(folder, name);
    mkdirSync(path);
    copyFileSync(fixture("vae-config.json"), join(path, "config.json"));
    await writeSafetensors(join(path, "diffusion_pytorch_model.safetensors"), tensors);
    return path;
  };
  const { tensors } = await readSafetensors(fixture("vae.safetensors"));
  const former: Record<string, NdArray> = {};
  for (const [name, array] of Object.entries(tensors)) {
    const old = name
      .replace(".to_q.", ".query.")
      .replace(".to_k.", ".key.")
      .replace(".to_v.", ".value.")
      .replace(".to_out.0.", ".proj_attn.");
    const isConvolution = old !== name && array.shape.length === 2;
    former[old] = isConvolution ? { ...array, shape: [...array.shape, 1, 1] } : array;
  }
  for (const path of [await write("new", tensors), await write("old", former)]) {
    const vae = await readVAE(path);
    assert.equal(vae.config, config);
    assert.equal(Object.keys(vae.params), Object.keys(vaeShapes(config)));
    for (const [name, tensor] of Object.entries(params))
      assert.equal(vae.params[name].dataSync(), tensor.dataSync(), name);
  }
  const { "quant_conv.bias": _, ...fewer } = tensors;
  await rejects(
    readVAE(await write("fewer", { ...fewer, extra: tensors["quant_conv.bias"] })),
    /do not fit AutoencoderKL of .*fewer; missing: quant_conv\.bias; unexpected: extra$/,
  );
  await rejects(
    readVAE(join(folder, "none")),
    /none.config\.json: there is no such file; expected a VAE's folder/,
  );
  mkdirSync(join(folder, "empty"));
  writeFileSync(join(folder, "empty", "config.json"), JSON.stringify(json));
  await rejects(
    readVAE(join(folder, "empty")),
    /empty has no weights; expected diffusion_pytorch_model\.saf/,
  );
});

test("a config that is not one is named", () => {
  const wrong: [object | null, RegExp][] = [
    [null, /^vae\.json is no JSON object$/],
    [{ ...json, in_channels: 0 }, /^vae\.json: in_channels must be a positive integer, got 0$/],
    [{ ...json, block_out_channels: [] }, /block_out_channels must be a list of positive integers, got \[\]/],
    [{ ...json, norm_num_groups: 3 }, /block_out_channels must be multiples of norm_num_groups 3, got 8/],
    [
      { ...json, up_block_types: ["AttnUpDecoderBlock2D"] },
      /up_block_types must be 3 times "UpDecoderBlock2D"/,
    ],
    [{ ...json, act_fn: "relu" }, /act_fn must be "silu", got "relu"/],
    [{ ...json, scaling_factor: -1 }, /scaling_factor must be a positive number, got -1/],
  ];
  for (const [value, message] of wrong) assert.throws(() => parseVAEConfig(value, "vae.json"), message);
  assert.equal(parseVAEConfig({ ...json, scaling_factor: 0.5 }).scale, 0.5);
});

test("random weights keep the size of what passes", () => {
  const small: VAEConfig = { ...config, blockOutChannels: [8, 16] };
  const random = randomGenerator(5);
  const image = decode(initVAE(small, random), small, normalTensor(random, [1, 4, 4, 4]));
  const deviation = Math.sqrt(tf.moments(image).variance.dataSync()[0]);
  assert.ok(deviation > 0.1 && deviation < 10, `${deviation}`);
});

test.run();
