/** A text encoder from a folder of published files: captions in, features out. */
import { join } from "node:path";
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import { inBatches } from "../in-batches.ts";
import { openWeights, toFloat32 } from "../io/index.ts";
import { findWeights, weightsIn } from "../io/weights.ts";
import { jit } from "../jit/index.ts";
import { checkShapes, type Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { CLIP_TEXT, type CLIPTextConfig, clipTextFeatures, clipTextShapes, parseCLIPText } from "./clip.ts";
import { onnxIn, openOnnxText } from "./onnx-encoder.ts";
import { BATCH, type TextNetwork } from "./text-network.ts";
import { readJson, readTokenizer } from "./tokenizer.ts";

export interface CLIPTextEncoder {
  /** Tokens of a text and the width of their features: 77 and 768 of CLIP ViT-L/14. */
  readonly shape: readonly [tokens: number, width: number];
  /** Features of texts, one after the other, [texts.length, tokens, width]. */
  encode(texts: readonly string[]): Promise<Float32Array>;
  /** What tells its weights from any others. */
  fingerprint(): Promise<string>;
  dispose(): Promise<void>;
}

async function readParams(folder: string, config: CLIPTextConfig): Promise<Params> {
  const file = await openWeights(await weightsIn(folder));
  try {
    const shapes = clipTextShapes(config);
    // A file of the whole CLIP has an image encoder, too; one of the text half alone may leave its name out.
    const stored = new Map(
      Object.keys(file.shapes).map((name) => [name in shapes ? name : `${CLIP_TEXT}.${name}`, name]),
    );
    const own = [...stored].filter(([name]) => name in shapes);
    const got = Object.fromEntries(own.map(([name, inFile]) => [name, file.shapes[inFile]]));
    checkShapes(got, shapes, `the text encoder of ${folder}`);
    const params: Params = {};
    for (const [name, inFile] of own)
      params[name] = tf.tensor(toFloat32(await file.read(inFile)), shapes[name], "float32");
    return params;
  } finally {
    await file.close();
  }
}

/** CLIP's text half by its weights, compiled. */
async function openCLIP(folder: string, config: CLIPTextConfig): Promise<TextNetwork> {
  const params = await readParams(folder, config);
  const key = fingerprint(await contentOfParams(params), 16);
  const features = jit(
    (params: Params, ids: ReturnType<typeof tf.tensor>) => clipTextFeatures(params, config, ids),
    { name: "textFeatures" },
  );
  return {
    batch: BATCH,
    fingerprint: key,
    async run(ids) {
      const input = tf.tensor(ids, [BATCH, config.tokens], "int32");
      const output = await features(params, input);
      try {
        return (await output.data()) as Float32Array;
      } finally {
        tf.dispose([input, output]);
      }
    },
    async dispose() {
      disposeTree(params);
      await features.dispose();
    },
  };
}

/**
 * Opens CLIP's text encoder: a folder with `config.json`, `model.safetensors` (or `pytorch_model.bin`), `tokenizer.json`
 * and `tokenizer_config.json`, such as openai/clip-vit-large-patch14's. In the place of weights it may have an ONNX file
 * (`model.onnx` or `text_model.onnx`, also in a folder `onnx`).
 * @throws naming the file that is missing or does not fit.
 */
export async function openTextEncoder(folder: string): Promise<CLIPTextEncoder> {
  const path = join(folder, "config.json");
  const config = parseCLIPText(await readJson(path, "a text encoder's"), path);
  const { tokenize } = await readTokenizer(folder, config);
  const onnx = (await findWeights(folder)) ? undefined : await onnxIn(folder);
  const network = onnx ? await openOnnxText(onnx, config) : await openCLIP(folder, config);
  const { tokens, width } = config;
  const { batch } = network;
  const ofBatch = (texts: readonly string[]): Promise<Float32Array> => {
    const ids = new Int32Array(batch * tokens);
    for (let i = 0; i < batch; i++) ids.set(tokenize(texts[Math.min(i, texts.length - 1)]), i * tokens);
    return network.run(ids);
  };
  return {
    shape: [tokens, width],
    encode: (texts) => inBatches(texts, { batch, size: tokens * width }, ofBatch),
    fingerprint: async () => network.fingerprint,
    dispose: network.dispose,
  };
}
