/** An image encoder that somebody exported as an ONNX file: DINOv2, CLIP, MAE, MoCo v3, or any other of patches. */
import { dirname, join } from "node:path";
import { exists, readBytes } from "../io/files.ts";
import { type OnnxFile, openOnnxFile, type Port, shown } from "../jit/targets/onnxruntime/model-file.ts";
import type { Output } from "../jit/targets/onnxruntime/session.ts";
import { check, count, z } from "../schema.ts";
import { readJson } from "../text/tokenizer.ts";
import { BATCH, IMAGENET, type PatchNetwork } from "./patch-network.ts";

/** What of the published `config.json` and `preprocessor_config.json` is looked at. */
const described = z.looseObject({
  patch_size: count("Side of the patches.").optional(),
  image_mean: z.array(z.number()).length(3).optional(),
  image_std: z.array(z.number()).length(3).optional(),
});

/** Of DINOv2, where nothing says it. */
const PATCH = 14;

/** What lies beside the file, or a folder above as where it is `onnx/model.onnx`. */
async function descriptionOf(path: string): Promise<z.infer<typeof described>> {
  const found: object[] = [];
  for (const folder of [dirname(dirname(path)), dirname(path)])
    for (const name of ["config.json", "preprocessor_config.json"]) {
      const file = join(folder, name);
      if (!(await exists(file))) continue;
      const json = await readJson(file, "an image encoder's");
      check(described as z.ZodType, json, file);
      found.push(json as object);
    }
  return described.parse(Object.assign({}, ...found));
}

/**
 * Opens one with an input [B,3,H,W] and an output [B,tokens,width], named `last_hidden_state` where there are several, whose
 * last tokens are the patches', row by row: those before them (the class's, registers) are left out. The size of patches and
 * the colours' means come from the files beside it, else they are DINOv2's and ImageNet's.
 */
export async function openOnnxNetwork(path: string, grid: number): Promise<PatchNetwork> {
  const file = await openOnnxFile(path, await readBytes(path));
  try {
    return await patchNetwork(path, file, grid);
  } catch (error) {
    file.dispose();
    throw error;
  }
}

async function patchNetwork(path: string, file: OnnxFile, grid: number): Promise<PatchNetwork> {
  const { inputs, outputs } = file;
  const refusal = (what: string): Error =>
    new Error(`${path} is no image encoder that can be run here: ${what}`);
  const [pixels] = inputs;
  if (inputs.length !== 1 || pixels.shape.length !== 4 || pixels.dtype !== "float32")
    throw refusal(`expected one input of float32 pixels [B,3,H,W], got ${inputs.map(shown).join(", ")}`);
  const output = outputs.find(({ name }) => name === "last_hidden_state") ?? outputs.find(isOfTokens);
  if (!output) throw refusal(`expected an output [B,tokens,width], got ${outputs.map(shown).join(", ")}`);
  const { patch_size: patchSize = PATCH, image_mean, image_std } = await descriptionOf(path);
  const side = grid * patchSize;
  const [fixedBatch, , fixedSide] = pixels.shape;
  if (fixedSide !== undefined && fixedSide !== side)
    throw refusal(`its images are ${fixedSide} wide, but ${grid} patches of ${patchSize} are ${side}`);
  const batch = fixedBatch ?? BATCH;
  const run = (data: Float32Array<ArrayBuffer>): Promise<Output> =>
    file.run([{ name: pixels.name, data, shape: [batch, 3, side, side], dtype: "float32" }], output.name);
  // Files seldom say how many tokens they make.
  const { shape } = await run(new Float32Array(batch * 3 * side ** 2));
  const [, tokens, width] = shape;
  const patches = grid ** 2;
  if (shape.length !== 3 || tokens < patches)
    throw refusal(`it makes [${shape}] of ${batch} images, expected ${patches} patches or more of each`);
  return {
    ...{ batch, side, shape: [patches, width], fingerprint: file.fingerprint },
    colours: { mean: image_mean ?? IMAGENET.mean, deviation: image_std ?? IMAGENET.deviation },
    async run(values) {
      const { data } = await run(values);
      const kept = new Float32Array(batch * patches * width);
      for (let i = 0; i < batch; i++) {
        const end = (i + 1) * tokens * width;
        kept.set(data.subarray(end - patches * width, end), i * patches * width);
      }
      return kept;
    },
    dispose: async () => file.dispose(),
  };
}

const isOfTokens = ({ shape }: Port): boolean => shape.length === 3;
