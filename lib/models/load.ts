/** Models from checkpoints: the authors', or our own. */
import { openWeights, toFloat32, type WeightFile, type WeightsName } from "../io/index.ts";
import { checkShapes, type Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import { makeNetwork, type NetworkConfig } from "./make.ts";
import { type ModelName, modelConfig, parseModelName, TEXT_MODEL } from "./zoo.ts";

export interface Model {
  config: NetworkConfig;
  params: Params;
}

export interface LoadOptions {
  /** Which weights of a training checkpoint. Default: `ema`, those to sample from. */
  weights?: WeightsName;
  /** Called after each tensor. */
  onProgress?: (done: number, total: number) => void;
  /** Shapes of parameters that a training method adds, such as projection heads, which are to be read too. */
  heads?: Readonly<Record<string, number[]>>;
}

/** Where published training code keeps projection heads (SRA; REPA and Self-Flow). Nothing is sampled with them. */
const HEADS = /^(ap_head|projectors?)\./;

/**
 * Loads a model: a PyTorch file or safetensors, a bare state dictionary or a training checkpoint, in any float type.
 * With a name of the zoo, image size, classes (0 where it has no table of them), channels and norms are those of the file; with a config it must fit.
 * Projection heads are left out, but for those asked for. Besides the parameters, one tensor is in memory at a time.
 * @returns float32 parameters by the reference's names
 * @throws one error that lists all parameters that are missing, unexpected and of the wrong shape.
 */
export async function loadModel(
  path: string,
  model: ModelName | NetworkConfig,
  { weights = "ema", onProgress, heads = {} }: LoadOptions = {},
): Promise<Model> {
  if (typeof model === "string") parseModelName(model);
  const file = await openWeights(path, weights);
  try {
    const given = asConvolution(file.shapes, typeof model === "string" ? parseModelName(model) : model);
    const config = typeof model === "string" ? fitted(model, given) : model;
    const network = makeNetwork(config);
    const shapes: Record<string, number[]> = { ...network.shapes, ...heads };
    const found = Object.entries(given).filter(([name]) => name in shapes || !HEADS.test(name));
    const { fixed = {} } = network;
    const needed = Object.entries(shapes).filter(([name]) => !fixed[name] || given[name]);
    checkShapes(Object.fromEntries(found), Object.fromEntries(needed), `${network.name} of ${path}`);
    const params: Params = {};
    const names = Object.keys(shapes);
    for (const [i, name] of names.entries()) {
      params[name] = file.shapes[name]
        ? tf.tensor(toFloat32(await file.read(name)), shapes[name], "float32")
        : fixed[name]();
      onProgress?.(i + 1, names.length);
    }
    return { config, params };
  } finally {
    await file.close();
  }
}

type Shapes = WeightFile["shapes"];
const PATCHES = "x_embedder.proj.weight";

/**
 * Shapes in which the patch embedding is a convolution [D,C,p,p]. Self-Flow's release has it as a linear layer of patches in
 * the order (channel, row, column), which are the same numbers in the same order.
 */
function asConvolution(shapes: Shapes, { patchSize: p }: { patchSize: number }): Shapes {
  const [width, numbers, ...rest] = shapes[PATCHES] ?? [];
  if (rest.length > 0 || !(numbers > 0) || numbers % p ** 2 !== 0) return shapes;
  return { ...shapes, [PATCHES]: [width, numbers / p ** 2, p, p] };
}

/** The text-to-image model of a file; how large its images are no file says. */
function fittedText(shapes: Shapes): NetworkConfig {
  const channels = shapes[PATCHES]?.[1];
  const textWidth = shapes["context_embedder.weight"]?.[1];
  const textTokens = shapes.null_context?.[0];
  return modelConfig(TEXT_MODEL, {
    ...(channels && { inChannels: channels }),
    ...(textWidth && { textWidth }),
    ...(textTokens && { textTokens }),
  });
}

/** A model of the zoo with what only the file knows, where the file's shapes make sense of it. */
function fitted(model: ModelName, shapes: Shapes): NetworkConfig {
  const { name, family, patchSize } = parseModelName(model);
  if (name === TEXT_MODEL) return fittedText(shapes);
  const side = Math.sqrt(shapes.pos_embed?.[1] ?? 0);
  const rows = shapes["y_embedder.embedding_table.weight"]?.[0];
  const channels = shapes[PATCHES]?.[1];
  const out = (shapes["final_layer.linear.bias"]?.[0] ?? 0) / patchSize ** 2;
  // Of all SiTs only those of the first release have channels for a variance, and that release counts time from noise.
  const first = family === "SiT" && out === 2 * channels;
  return modelConfig(name, {
    ...(Number.isInteger(side) && side > 0 && { inputSize: side * patchSize }),
    ...(rows !== undefined && rows > 1 && { numClasses: rows - 1 }),
    // A file of such a model that has no table of classes knows none; one of anything else lacks it with all the rest.
    ...(rows === undefined && channels && { numClasses: 0 }),
    ...(channels && { inChannels: channels }),
    ...(channels && out !== channels && Number.isInteger(out) && out > 0 && { outChannels: out }),
    ...(first && { reversedTime: true }),
    qkNorm: "blocks.0.attn.q_norm.weight" in shapes,
  });
}
