import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { imageGrid, ndarray } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";

const DISPLAY = Symbol.for("Jupyter.display");
const shown = (tensor: Tensor): string =>
  (tensor as unknown as Record<symbol, () => Record<string, string>>)[DISPLAY]()["text/plain"];

test("a tensor shows its type, shape, statistics and values", () => {
  const text = shown(tf.tensor2d([1, 2, 3, 6], [2, 2]));
  assert.match(text, /^Tensor float32 \[2, 2\] · min 1, mean 3, max 6\n/);
  assert.match(text, /\[\[1, 2\],\n\s+\[3, 6\]\]/);
  assert.is(shown(tf.scalar(3)), "Tensor float32 []\n    3");
  assert.match(shown(tf.tensor1d([1, Number.NaN])), /min 1, mean 1, max 1, 1 not finite/);
  assert.not.match(shown(tf.zeros([100, 100])), /\n/);
  assert.is(shown(tf.tensor1d(["a"])), "Tensor string [1]");
});

test("disposed and traced tensors are shown without their values", async () => {
  const tensor = tf.tensor1d([1]);
  tensor.dispose();
  assert.is(shown(tensor), "Tensor float32 [1], disposed");
  let traced = "";
  const f = jit((x: Tensor) => {
    traced = shown(x);
    return tf.add(x, 1);
  });
  await f(tf.tensor1d([1, 2]));
  assert.is(traced, "Tensor float32 [2]");
});

test("a grid of images is a PNG, from pixels, arrays and tensors alike", async () => {
  const values = Float32Array.of(-1, 1, 0, 1, 1, 1, -1, -1);
  const pixels = Uint8Array.of(0, 255, 128, 255, 255, 255, 0, 0);
  for (const images of [
    tf.tensor4d(values, [2, 1, 2, 2]),
    ndarray(values, [2, 1, 2, 2]),
    { shape: [2, 2, 2, 1], dtype: "uint8" as const, data: pixels },
  ]) {
    const bundle = await imageGrid(images, { columns: 2, scale: 3, gap: 1 })[DISPLAY]();
    assert.is(bundle["text/plain"], "2 images of 2 x 2 pixels");
    const { data, info } = await sharp(Buffer.from(bundle["image/png"], "base64"))
      .extractChannel(0)
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.equal([info.width, info.height], [13, 6]);
    assert.equal([data[0], data[3], data[6], data[7]], [0, 255, 255, 255]);
  }
});

test.run();
