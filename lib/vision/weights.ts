/** DINOv2's weights, from its authors' files or from those of the transformers library, under the authors' names. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { exists, readBytes } from "../io/files.ts";
import { openWeights, toFloat32, type WeightFile } from "../io/index.ts";
import { weightsIn } from "../io/weights.ts";
import { checkShapes, type Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import { type DINOv2Config, dinov2Shapes } from "./dinov2.ts";

/** Width of a head in all published models. */
const HEAD = 64;

/** An authors' name as the transformers library has it: several where queries, keys and values lie apart. */
function elsewhere(name: string): string[] {
  const direct: Record<string, string> = {
    cls_token: "embeddings.cls_token",
    pos_embed: "embeddings.position_embeddings",
  };
  if (name in direct) return [direct[name]];
  const renamed = name
    .replace(/^patch_embed\.proj/, "embeddings.patch_embeddings.projection")
    .replace(/^norm\./, "layernorm.")
    .replace(/^blocks\.(\d+)\.ls(\d)\.gamma$/, "encoder.layer.$1.layer_scale$2.lambda1")
    .replace(/^blocks\.(\d+)\.attn\.proj/, "encoder.layer.$1.attention.output.dense")
    .replace(/^blocks\.(\d+)\./, "encoder.layer.$1.");
  if (!renamed.includes(".attn.qkv.")) return [renamed];
  return ["query", "key", "value"].map((part) =>
    renamed.replace(".attn.qkv.", `.attention.attention.${part}.`),
  );
}

/** Where each parameter lies in a file: the file's names, whose tensors follow one another. */
function placesIn({ shapes }: WeightFile): (name: string) => string[] {
  return "cls_token" in shapes ? (name) => [name] : elsewhere;
}

/** What a file's shapes say of the network; heads as published unless told. */
function configOf(file: WeightFile, path: string, heads?: number): DINOv2Config {
  const places = placesIn(file);
  const shapeOf = (name: string): readonly number[] => {
    const [first] = places(name);
    const shape = file.shapes[first];
    if (!shape) throw new Error(`${path} is no DINOv2 encoder: it has no ${first}`);
    return shape;
  };
  const [width, , patchSize] = shapeOf("patch_embed.proj.weight");
  const grid = Math.sqrt(shapeOf("pos_embed")[1] - 1);
  const [mlpWidth] = shapeOf("blocks.0.mlp.fc1.weight");
  let depth = 1;
  while (places(`blocks.${depth}.norm1.weight`)[0] in file.shapes) depth++;
  const count = heads ?? width / HEAD;
  if (!Number.isInteger(grid))
    throw new Error(
      `${path} has a position table of ${grid ** 2 + 1} rows, expected a square grid's and one`,
    );
  if (!Number.isInteger(count) || width % count !== 0)
    throw new Error(
      `${path} is ${width} wide, expected a multiple of ${heads ?? `${HEAD}, the width of a head`}`,
    );
  return { width, depth, heads: count, mlpWidth, patchSize, grid };
}

/** What beside weights a published folder says. */
async function headsOf(folder: string): Promise<number | undefined> {
  const path = join(folder, "config.json");
  if (!(await exists(path))) return undefined;
  const config = JSON.parse(new TextDecoder().decode(await readBytes(path))) as Record<string, unknown>;
  if (config.model_type !== undefined && config.model_type !== "dinov2")
    throw new Error(`${path} is of a ${config.model_type}; expected a dinov2`);
  const heads = config.num_attention_heads;
  return typeof heads === "number" ? heads : undefined;
}

async function weightsPath(path: string): Promise<{ file: string; heads?: number }> {
  if (!(await stat(path)).isDirectory()) return { file: path };
  return { file: await weightsIn(path), heads: await headsOf(path) };
}

/**
 * Reads DINOv2's weights: a folder as on the Hugging Face hub, or a file of the authors' (dinov2_vitb14_pretrain.pth).
 * @returns float32 parameters by the authors' names
 * @throws naming the file, and all parameters that are missing or of the wrong shape.
 */
export async function readDINOv2(path: string): Promise<{ config: DINOv2Config; params: Params }> {
  const { file: found, heads } = await weightsPath(path);
  const file = await openWeights(found);
  try {
    const config = configOf(file, found, heads);
    const shapes = dinov2Shapes(config);
    const places = placesIn(file);
    const got: Record<string, number[]> = {};
    for (const name of Object.keys(shapes)) {
      const parts = places(name).map((part) => file.shapes[part]);
      if (parts.every((shape) => shape !== undefined))
        got[name] = [parts.reduce((sum, [rows]) => sum + rows, 0), ...parts[0].slice(1)];
    }
    checkShapes(got, shapes, `the image encoder of ${found}`);
    const params: Params = {};
    for (const [name, shape] of Object.entries(shapes)) {
      const parts: Float32Array[] = [];
      for (const part of places(name)) parts.push(toFloat32(await file.read(part)));
      const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of parts) {
        values.set(part, at);
        at += part.length;
      }
      params[name] = tf.tensor(values, shape, "float32");
    }
    return { config, params };
  } finally {
    await file.close();
  }
}
