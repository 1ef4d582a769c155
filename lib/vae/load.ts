/** AutoencoderKL from a folder of diffusers' files. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openWeights, toFloat32 } from "../io/index.ts";
import type { Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import { checkVAEShapes, parseVAEConfig, type VAEConfig, vaeShapes } from "./config.ts";

export interface VAE {
  config: VAEConfig;
  params: Params;
}

/** What diffusers called the attention's layers before. */
const FORMER: readonly (readonly [former: string, now: string])[] = [
  ["query", "to_q"],
  ["key", "to_k"],
  ["value", "to_v"],
  ["proj_attn", "to_out.0"],
];

const currentName = (name: string): string =>
  FORMER.reduce(
    (name, [former, now]) => name.replace(`.attentions.0.${former}.`, `.attentions.0.${now}.`),
    name,
  );

/** 1x1 convolutions of the first releases are linear layers now. */
const currentShape = (name: string, shape: readonly number[]): number[] =>
  /\.attentions\.0\.to_/.test(name) && shape.length === 4 ? shape.slice(0, 2) : [...shape];

/**
 * Reads a folder with `config.json` and `diffusion_pytorch_model.safetensors` (or `.bin`), for example that of
 * stabilityai/sd-vae-ft-ema, with the attention's names of today or before, in any float type.
 * @throws naming the file that is missing or unfit; one error lists all parameters that do not fit the config.
 */
export async function readVAE(folder: string): Promise<VAE> {
  const path = join(folder, "config.json");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${path}: ${error.code === "ENOENT" ? "there is no such file; expected a VAE's folder" : error.message}`,
    );
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`);
  }
  const config = parseVAEConfig(json, path);
  const file = await openWeights(await weightsPath(folder));
  try {
    const stored = new Map(Object.keys(file.shapes).map((name) => [currentName(name), name]));
    const got = Object.fromEntries(
      [...stored].map(([name, former]) => [name, currentShape(name, file.shapes[former])]),
    );
    checkVAEShapes(got, config, folder);
    const params: Params = {};
    for (const [name, shape] of Object.entries(vaeShapes(config)))
      params[name] = tf.tensor(toFloat32(await file.read(stored.get(name)!)), shape, "float32");
    return { config, params };
  } finally {
    await file.close();
  }
}

async function weightsPath(folder: string): Promise<string> {
  const names = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"];
  for (const name of names) {
    const found = await access(join(folder, name)).then(
      () => true,
      () => false,
    );
    if (found) return join(folder, name);
  }
  throw new Error(`${folder} has no weights; expected ${names.join(" or ")}`);
}
