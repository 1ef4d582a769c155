/** A text encoder from a folder of published files: captions in, features out. */
import { join } from "node:path";
import type { Tokenizer as PublishedTokenizer } from "@huggingface/tokenizers";
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import { exists, readBytes } from "../io/files.ts";
import { openWeights, toFloat32 } from "../io/index.ts";
import { weightsIn } from "../io/weights.ts";
import { jit } from "../jit/index.ts";
import { checkShapes, type Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { CLIP_TEXT, type CLIPTextConfig, clipTextFeatures, clipTextShapes, parseCLIPText } from "./clip.ts";

/** Texts to token ids, all of one length. */
export type Tokenize = (text: string) => Int32Array;

export interface CLIPTextEncoder {
  /** Tokens of a text and the width of their features: 77 and 768 of CLIP ViT-L/14. */
  readonly shape: readonly [tokens: number, width: number];
  /** Features of texts, one after the other, [texts.length, tokens, width]. */
  encode(texts: readonly string[]): Promise<Float32Array>;
  /** What tells its weights from any others. */
  fingerprint(): Promise<string>;
  dispose(): Promise<void>;
}

/** Texts that are encoded together; fewer are filled up, as another number would be another program to compile. */
const BATCH = 16;

async function readJson(path: string): Promise<unknown> {
  if (!(await exists(path))) throw new Error(`${path} is missing; expected a text encoder's folder`);
  try {
    return JSON.parse(new TextDecoder().decode(await readBytes(path)));
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
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

/**
 * CLIP's way with texts: cut to so many tokens, the last of which is the end's, and padded with the end or what the
 * folder calls padding.
 */
async function readTokenizer(folder: string, { tokens, vocabulary }: CLIPTextConfig): Promise<Tokenize> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const settings = (await readJson(join(folder, "tokenizer_config.json"))) as Record<string, unknown>;
  const tokenizer: PublishedTokenizer = new Tokenizer(
    (await readJson(join(folder, "tokenizer.json"))) as object,
    settings,
  );
  const id = (name: string): number => {
    const token = settings[name];
    const text = typeof token === "object" ? (token as { content?: unknown } | null)?.content : token;
    const found = typeof text === "string" ? tokenizer.token_to_id(text) : undefined;
    if (found === undefined) throw new Error(`${folder}/tokenizer_config.json names no known ${name}`);
    return found;
  };
  const end = id("eos_token");
  const padding = settings.pad_token === undefined ? end : id("pad_token");
  return (text) => {
    const { ids } = tokenizer.encode(text);
    const cut: number[] = ids.length > tokens ? [...ids.slice(0, tokens - 1), end] : ids;
    const unknown = cut.find((one) => one >= vocabulary);
    if (unknown !== undefined)
      throw new Error(`the tokenizer of ${folder} has a token ${unknown}, its encoder ${vocabulary} tokens`);
    return Int32Array.from({ length: tokens }, (_, i) => cut[i] ?? padding);
  };
}

/**
 * Opens CLIP's text encoder: a folder with `config.json`, `model.safetensors` (or `pytorch_model.bin`), `tokenizer.json`
 * and `tokenizer_config.json`, such as openai/clip-vit-large-patch14's.
 * @throws naming the file that is missing or does not fit.
 */
export async function openTextEncoder(folder: string): Promise<CLIPTextEncoder> {
  const path = join(folder, "config.json");
  const config = parseCLIPText(await readJson(path), path);
  const tokenize = await readTokenizer(folder, config);
  const params = await readParams(folder, config);
  const { tokens, width } = config;
  const features = jit(
    (params: Params, ids: ReturnType<typeof tf.tensor>) => clipTextFeatures(params, config, ids),
    { name: "textFeatures" },
  );
  const ofBatch = async (texts: readonly string[]): Promise<Float32Array> => {
    const ids = new Int32Array(BATCH * tokens);
    for (let i = 0; i < BATCH; i++) ids.set(tokenize(texts[Math.min(i, texts.length - 1)]), i * tokens);
    const input = tf.tensor(ids, [BATCH, tokens], "int32");
    const output = await features(params, input);
    try {
      return ((await output.data()) as Float32Array).slice(0, texts.length * tokens * width);
    } finally {
      tf.dispose([input, output]);
    }
  };
  return {
    shape: [tokens, width],
    async encode(texts) {
      const all = new Float32Array(texts.length * tokens * width);
      for (let start = 0; start < texts.length; start += BATCH)
        all.set(await ofBatch(texts.slice(start, start + BATCH)), start * tokens * width);
      return all;
    },
    fingerprint: async () => fingerprint(await contentOfParams(params), 16),
    async dispose() {
      disposeTree(params);
      await features.dispose();
    },
  };
}
