/** The layers of Inception-v3 (Szegedy et al. 2015) as the FID network has them, by torchvision's names. */

/** A convolution without bias, followed by batch norm and ReLU. */
export interface Layer {
  name: string;
  in: number;
  out: number;
  kernel: readonly [height: number, width: number];
}

const layer = (name: string, input: number, out: number, height = 1, width = height): Layer => ({
  name,
  in: input,
  out,
  kernel: [height, width],
});

/** Layers one after the other: [name, channels out, kernel]. */
function chain(block: string, input: number, ...steps: [string, number, number?, number?][]): Layer[] {
  let channels = input;
  return steps.map(([name, out, height, width]) => {
    const next = layer(`${block}.${name}`, channels, out, height, width);
    channels = out;
    return next;
  });
}

/** 35x35: Mixed_5b to 5d. */
const blockA = (block: string, input: number, pool: number): Layer[] => [
  ...chain(block, input, ["branch1x1", 64]),
  ...chain(block, input, ["branch5x5_1", 48], ["branch5x5_2", 64, 5]),
  ...chain(block, input, ["branch3x3dbl_1", 64], ["branch3x3dbl_2", 96, 3], ["branch3x3dbl_3", 96, 3]),
  ...chain(block, input, ["branch_pool", pool]),
];

/** 17x17: Mixed_6b to 6e. */
const blockC = (block: string, width: number): Layer[] => [
  ...chain(block, 768, ["branch1x1", 192]),
  ...chain(block, 768, ["branch7x7_1", width], ["branch7x7_2", width, 1, 7], ["branch7x7_3", 192, 7, 1]),
  ...chain(
    block,
    768,
    ["branch7x7dbl_1", width],
    ["branch7x7dbl_2", width, 7, 1],
    ["branch7x7dbl_3", width, 1, 7],
    ["branch7x7dbl_4", width, 7, 1],
    ["branch7x7dbl_5", 192, 1, 7],
  ),
  ...chain(block, 768, ["branch_pool", 192]),
];

/** 8x8: Mixed_7b and 7c. */
const blockE = (block: string, input: number): Layer[] => [
  ...chain(block, input, ["branch1x1", 320]),
  ...chain(block, input, ["branch3x3_1", 384]),
  ...chain(block, 384, ["branch3x3_2a", 384, 1, 3]),
  ...chain(block, 384, ["branch3x3_2b", 384, 3, 1]),
  ...chain(block, input, ["branch3x3dbl_1", 448], ["branch3x3dbl_2", 384, 3]),
  ...chain(block, 384, ["branch3x3dbl_3a", 384, 1, 3]),
  ...chain(block, 384, ["branch3x3dbl_3b", 384, 3, 1]),
  ...chain(block, input, ["branch_pool", 192]),
];

/** All 94 convolutions. */
export const LAYERS: readonly Layer[] = [
  layer("Conv2d_1a_3x3", 3, 32, 3),
  layer("Conv2d_2a_3x3", 32, 32, 3),
  layer("Conv2d_2b_3x3", 32, 64, 3),
  layer("Conv2d_3b_1x1", 64, 80),
  layer("Conv2d_4a_3x3", 80, 192, 3),
  ...blockA("Mixed_5b", 192, 32),
  ...blockA("Mixed_5c", 256, 64),
  ...blockA("Mixed_5d", 288, 64),
  ...chain("Mixed_6a", 288, ["branch3x3", 384, 3]),
  ...chain("Mixed_6a", 288, ["branch3x3dbl_1", 64], ["branch3x3dbl_2", 96, 3], ["branch3x3dbl_3", 96, 3]),
  ...blockC("Mixed_6b", 128),
  ...blockC("Mixed_6c", 160),
  ...blockC("Mixed_6d", 160),
  ...blockC("Mixed_6e", 192),
  ...chain("Mixed_7a", 768, ["branch3x3_1", 192], ["branch3x3_2", 320, 3]),
  ...chain(
    "Mixed_7a",
    768,
    ["branch7x7x3_1", 192],
    ["branch7x7x3_2", 192, 1, 7],
    ["branch7x7x3_3", 192, 7, 1],
    ["branch7x7x3_4", 192, 3],
  ),
  ...blockE("Mixed_7b", 1280),
  ...blockE("Mixed_7c", 2048),
];

/** Features of an image before the classes. */
export const POOL_FEATURES = 2048;
/** Of the first network's classes; 1,000 of them are ImageNet's. */
export const CLASSES = 1008;

/** Shapes of the parameters by torchvision's names. */
export function inceptionShapes(): Record<string, number[]> {
  const shapes: Record<string, number[]> = {};
  for (const { name, in: input, out, kernel } of LAYERS) {
    shapes[`${name}.conv.weight`] = [out, input, ...kernel];
    for (const part of ["weight", "bias", "running_mean", "running_var"])
      shapes[`${name}.bn.${part}`] = [out];
  }
  return { ...shapes, "fc.weight": [CLASSES, POOL_FEATURES], "fc.bias": [CLASSES] };
}

/** Parameters by torchvision's names (`inceptionShapes`). */
export type InceptionArrays = Record<string, Float32Array>;
