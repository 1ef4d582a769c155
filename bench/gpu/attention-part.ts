/** Attention and its gradients at the sizes of networks, by the clock of the device: by itself, in each precision. */
import { jit, type Precision, profile } from "../../lib/jit/index.ts";
import { multiHeadAttention } from "../../lib/nn/attention.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import type { GpuTarget } from "./open.ts";
import { attempt } from "./report.ts";

/** Heads and their size; 32 images of 256 tokens. */
const SIZES = {
  "S/2": [6, 64],
  "B/2": [12, 64],
  "L/2": [16, 64],
  "XL/2": [16, 72],
  "128": [8, 128],
} as const;
const [BATCH, TOKENS] = (process.env.GPU_TOKENS ?? "32 256").split(" ").map(Number);

async function timed(target: GpuTarget, heads: number, size: number, precision: Precision) {
  const width = heads * size;
  const attended = (x: Tensor): Tensor => {
    const [q, k, v] = tf.split(tf.mul(x, 1.25), 3, 2);
    return multiHeadAttention(q as never, k as never, v as never, heads) as Tensor;
  };
  const gradient = jit(
    (x: Tensor, slope: Tensor) => tf.grad((x) => tf.sum(tf.mul(attended(x as Tensor), slope)))(x),
    {
      target,
      precision,
      name: "attention",
    },
  );
  const [x, slope] = [tf.randomNormal([BATCH, TOKENS, 3 * width]), tf.randomNormal([BATCH, TOKENS, width])];
  // A card that has rested is slow.
  for (let i = 0; i < 20; i++) tf.dispose(await gradient(x as Tensor, slope as Tensor));
  const { operators } = await profile(gradient, { runs: 9 });
  const flops = 4 * BATCH * heads * TOKENS * TOKENS * size;
  await gradient.dispose();
  tf.dispose([x, slope]);
  return Object.fromEntries(
    operators
      .filter(({ operator }) => /Attention/.test(operator))
      .map(({ operator, seconds }) => [
        operator,
        // A product of scores and one of values forwards, three for the queries' gradient, four for the others'.
        {
          ms: 1000 * seconds,
          tflops: ((/Query/.test(operator) ? 1.5 : /Key/.test(operator) ? 2 : 1) * flops) / seconds / 1e12,
        },
      ]),
  );
}

export async function attention(target: GpuTarget): Promise<void> {
  for (const precision of ["bfloat16", "float16", "float32"] as const)
    for (const [name, [heads, size]] of Object.entries(SIZES))
      await attempt("attention", { target, name, precision }, () => timed(target, heads, size, precision));
}
