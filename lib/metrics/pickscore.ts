/**
 * PickScore (Kirstain et al. 2023, arXiv 2305.01569): how well people would like an image for a text, by a CLIP-H that was
 * trained on their choices. The cosine of both embeddings times the model's own scale.
 */
import { join } from "node:path";
import type { Pixels } from "../data/pillow-resize.ts";
import { inBatches } from "../in-batches.ts";
import { openWeights, toFloat32 } from "../io/index.ts";
import { weightsIn } from "../io/weights.ts";
import { jit } from "../jit/index.ts";
import { checkShapes, type Params, param } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { type CLIPTextConfig, clipTextFeatures, clipTextShapes, parseCLIPText } from "../text/clip.ts";
import { readJson, readTokenizer } from "../text/tokenizer.ts";
import {
  type CLIPVisionConfig,
  clipImageFeatures,
  clipPixels,
  clipVisionShapes,
  parseCLIPVision,
} from "../vision/clip.ts";

export interface PickScore {
  /** The score of each image for its text; of CLIP-H's size about 20. */
  score(images: readonly Pixels[], texts: readonly string[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

interface CLIPConfig {
  text: CLIPTextConfig;
  vision: CLIPVisionConfig;
}

/** Pairs that are scored together; fewer are filled up, as another number would be another program to compile. */
const BATCH = 8;

const SCALE = "logit_scale";
const [TEXT_PROJECTION, IMAGE_PROJECTION] = ["text_projection.weight", "visual_projection.weight"];

async function readParams(folder: string, { text, vision }: CLIPConfig): Promise<Params> {
  const file = await openWeights(await weightsIn(folder));
  try {
    const [embedding = 0] = file.shapes[TEXT_PROJECTION] ?? [];
    const shapes: Record<string, number[]> = {
      ...clipTextShapes(text),
      ...clipVisionShapes(vision),
      [TEXT_PROJECTION]: [embedding, text.width],
      [IMAGE_PROJECTION]: [embedding, vision.width],
      [SCALE]: [],
    };
    // Older files have tables of numbers beside them.
    const own = Object.keys(file.shapes).filter((name) => name in shapes);
    checkShapes(
      Object.fromEntries(own.map((name) => [name, file.shapes[name]])),
      shapes,
      `the CLIP of ${folder}`,
    );
    const params: Params = {};
    for (const name of own)
      params[name] = tf.tensor(toFloat32(await file.read(name)), shapes[name], "float32");
    return params;
  } finally {
    await file.close();
  }
}

/** Embeddings [B,width] of length 1: features [B,D] by a weight [width,D]. */
function embedded(params: Params, projection: string, features: Tensor): Tensor {
  const x = tf.matMul(features as Parameters<typeof tf.matMul>[0], param(params, projection), false, true);
  return tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true)));
}

/** ids [B,T] and where each text ends [B,T] (1 there, 0 elsewhere), pixels [B,3,side,side] -> [B]. */
function scores(
  params: Params,
  { text, vision }: CLIPConfig,
  ids: Tensor,
  ends: Tensor,
  pixels: Tensor,
): Tensor {
  const hidden = clipTextFeatures(params, text, ids);
  const ofText = embedded(params, TEXT_PROJECTION, tf.sum(tf.mul(hidden, tf.expandDims(ends, 2)), 1));
  const ofImage = embedded(params, IMAGE_PROJECTION, clipImageFeatures(params, vision, pixels));
  return tf.mul(tf.exp(param(params, SCALE)), tf.sum(tf.mul(ofText, ofImage), -1));
}

/** What the folder's `config.json` says. @throws where it is missing or of no whole CLIP */
export async function readPickScoreConfig(folder: string): Promise<CLIPConfig> {
  const path = join(folder, "config.json");
  const json = await readJson(path, "PickScore's");
  return { text: parseCLIPText(json, path), vision: parseCLIPVision(json, path) };
}

/**
 * Opens PickScore: a folder with `config.json` and `model.safetensors` (or `pytorch_model.bin`) of
 * yuvalkirstain/PickScore_v1, and `tokenizer.json` and `tokenizer_config.json` of laion/CLIP-ViT-H-14-laion2B-s32B-b79K.
 * @throws naming the file that is missing or does not fit.
 */
export async function openPickScore(folder: string): Promise<PickScore> {
  const config = await readPickScoreConfig(folder);
  const tokenizer = await readTokenizer(folder, config.text);
  const params = await readParams(folder, config);
  const [{ tokens }, { side }] = [config.text, config.vision];
  const compiled = jit(
    (params: Params, ids: Tensor, ends: Tensor, pixels: Tensor) => scores(params, config, ids, ends, pixels),
    { name: "pickScore" },
  );
  const size = 3 * side ** 2;

  async function ofBatch(images: readonly Pixels[], texts: readonly string[]): Promise<Float32Array> {
    const ids = new Int32Array(BATCH * tokens);
    const ends = new Float32Array(BATCH * tokens);
    const pixels = new Float32Array(BATCH * size);
    for (let i = 0; i < BATCH; i++) {
      const at = Math.min(i, texts.length - 1);
      const own = tokenizer.tokenize(texts[at]);
      ids.set(own, i * tokens);
      ends[i * tokens + own.indexOf(tokenizer.end)] = 1;
      if (i === at) pixels.set(clipPixels(images[at], side), i * size);
      else pixels.copyWithin(i * size, at * size, (at + 1) * size);
    }
    const inputs = [
      tf.tensor(ids, [BATCH, tokens], "int32"),
      tf.tensor(ends, [BATCH, tokens]),
      tf.tensor(pixels, [BATCH, 3, side, side]),
    ] as const;
    const output = await compiled(params, ...inputs);
    try {
      return ((await output.data()) as Float32Array).slice(0, texts.length);
    } finally {
      tf.dispose([...inputs, output]);
    }
  }

  return {
    async score(images, texts) {
      if (images.length !== texts.length)
        throw new Error(
          `PickScore takes a text for each image, got ${images.length} images and ${texts.length} texts`,
        );
      return inBatches([...images.keys()], { batch: BATCH, size: 1 }, (some) =>
        ofBatch(
          some.map((i) => images[i]),
          some.map((i) => texts[i]),
        ),
      );
    },
    async dispose() {
      disposeTree(params);
      await compiled.dispose();
    },
  };
}
