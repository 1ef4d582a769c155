/**
 * The FID network: Inception-v3 as TensorFlow released it in 2015, in the variant that pytorch-fid reads. It differs
 * from torchvision's in its pooling (means over the pixels within the image; in the last block a maximum) and its 1,008
 * classes. Batch norms are folded into the convolutions before them.
 */
import { avgPool2d, type Conv2dOptions, conv2d, linear, maxPool2d } from "../../nn/index.ts";
import type { Params } from "../../tensor/params.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";

export interface InceptionOutputs {
  /** [B,2048], what FID compares. */
  pool: Tensor;
  /** [B,1008] */
  logits: Tensor;
  /** [B,7,17,17], what sFID compares: the first channels of a convolution in the middle, before its norm. */
  spatial: Tensor;
}

/** Channels of the spatial features. */
export const SPATIAL_CHANNELS = 7;
/** Whose convolution they are of: ADM's `mixed_6/conv`. */
export const SPATIAL_LAYER = "Mixed_6d.branch1x1";

const ROW: Conv2dOptions = { padding: [0, 0, 3, 3] };
const COLUMN: Conv2dOptions = { padding: [3, 3, 0, 0] };
const SAME: Conv2dOptions = { padding: 1 };
const HALF: Conv2dOptions = { stride: 2 };

/** A block's layers by their names in it. */
const layersOf =
  (params: Params, block: string) =>
  (name: string, x: Tensor, options?: Conv2dOptions): Tensor =>
    tf.relu(conv2d(params, `${block}.${name}`, x, options));

const join = (...branches: Tensor[]): Tensor => tf.concat(branches, 1);

function blockA(params: Params, block: string, x: Tensor): Tensor {
  const conv = layersOf(params, block);
  const wide = conv("branch5x5_2", conv("branch5x5_1", x), { padding: 2 });
  const twice = conv("branch3x3dbl_3", conv("branch3x3dbl_2", conv("branch3x3dbl_1", x), SAME), SAME);
  return join(conv("branch1x1", x), wide, twice, conv("branch_pool", avgPool2d(x, { padding: 1 })));
}

/** Halves height and width. */
function blockB(params: Params, block: string, x: Tensor): Tensor {
  const conv = layersOf(params, block);
  const twice = conv("branch3x3dbl_3", conv("branch3x3dbl_2", conv("branch3x3dbl_1", x), SAME), HALF);
  return join(conv("branch3x3", x, HALF), twice, maxPool2d(x, { stride: 2 }));
}

function blockC(params: Params, block: string, x: Tensor): Tensor {
  const conv = layersOf(params, block);
  const once = conv("branch7x7_3", conv("branch7x7_2", conv("branch7x7_1", x), ROW), COLUMN);
  let twice = conv("branch7x7dbl_2", conv("branch7x7dbl_1", x), COLUMN);
  twice = conv("branch7x7dbl_4", conv("branch7x7dbl_3", twice, ROW), COLUMN);
  twice = conv("branch7x7dbl_5", twice, ROW);
  return join(conv("branch1x1", x), once, twice, conv("branch_pool", avgPool2d(x, { padding: 1 })));
}

/** Halves height and width. */
function blockD(params: Params, block: string, x: Tensor): Tensor {
  const conv = layersOf(params, block);
  let wide = conv("branch7x7x3_2", conv("branch7x7x3_1", x), ROW);
  wide = conv("branch7x7x3_4", conv("branch7x7x3_3", wide, COLUMN), HALF);
  return join(conv("branch3x3_2", conv("branch3x3_1", x), HALF), wide, maxPool2d(x, { stride: 2 }));
}

function blockE(params: Params, block: string, x: Tensor, pool: typeof avgPool2d): Tensor {
  const conv = layersOf(params, block);
  const [row, column]: Conv2dOptions[] = [{ padding: [0, 0, 1, 1] }, { padding: [1, 1, 0, 0] }];
  const once = conv("branch3x3_1", x);
  const twice = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x), SAME);
  return join(
    conv("branch1x1", x),
    conv("branch3x3_2a", once, row),
    conv("branch3x3_2b", once, column),
    conv("branch3x3dbl_3a", twice, row),
    conv("branch3x3dbl_3b", twice, column),
    conv("branch_pool", pool(x, { padding: 1 })),
  );
}

/** x [B,3,299,299] from -1 to 1, with parameters that `foldInception` made. */
export function inception(params: Params, x: Tensor): InceptionOutputs {
  const conv = (name: string, x: Tensor, options?: Conv2dOptions): Tensor =>
    tf.relu(conv2d(params, name, x, options));
  let h = conv("Conv2d_2a_3x3", conv("Conv2d_1a_3x3", x, HALF));
  h = maxPool2d(conv("Conv2d_2b_3x3", h, SAME), { stride: 2 });
  h = maxPool2d(conv("Conv2d_4a_3x3", conv("Conv2d_3b_1x1", h)), { stride: 2 });
  for (const block of ["Mixed_5b", "Mixed_5c", "Mixed_5d"]) h = blockA(params, block, h);
  h = blockB(params, "Mixed_6a", h);
  for (const block of ["Mixed_6b", "Mixed_6c"]) h = blockC(params, block, h);
  const spatial = conv2d(params, "spatial", h);
  for (const block of ["Mixed_6d", "Mixed_6e"]) h = blockC(params, block, h);
  h = blockD(params, "Mixed_7a", h);
  h = blockE(params, "Mixed_7b", h, avgPool2d);
  h = blockE(params, "Mixed_7c", h, maxPool2d);
  const pool = tf.mean(h, [2, 3]);
  return { pool, logits: linear(params, "fc", pool), spatial };
}
