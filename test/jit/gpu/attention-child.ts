/** A process that compares attention and its gradients on a GPU with the processor's, and prints JSON for each size. */
import { jit } from "../../../lib/jit/index.ts";
import { SIMPLE, SOME_GPU } from "../../../lib/jit/plan/forms.ts";
import { multiHeadAttention } from "../../../lib/nn/attention.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { GPU_TARGET, openDevice, workgroupMemory } from "./target.ts";

/** Batch, queries, keys, heads and their size: one token, fewer and more than a tile, sizes that no tile divides. */
const SIZES = [
  [2, 1, 1, 2, 32],
  [1, 5, 5, 3, 10],
  [2, 17, 17, 2, 64],
  [1, 67, 131, 1, 64],
  [1, 33, 33, 2, 72],
  [3, 16, 16, 1, 128],
  [1, 40, 40, 1, 200],
  [1, 9, 70, 1, 256],
] as const;

const device = await openDevice();
const memory = await workgroupMemory();
/**
 * A processor's, and those of GPUs with the least memory for a workgroup and with as much as this one has; these take
 * longer to compile, and have the sizes that lead to different forms: one piece of a row and several, much and little to hold.
 */
const KINDS = {
  simple: { products: SIMPLE, sizes: SIZES },
  least: { products: SOME_GPU, sizes: [SIZES[1], SIZES[4], SIZES[6]] },
  most: { products: { ...SOME_GPU, workgroupMemory: memory }, sizes: [SIZES[3], SIZES[6]] },
};
const few = process.argv[2] === "few";

const random = randomGenerator(11);
for (const [kind, { products, sizes }] of Object.entries(KINDS).filter(([kind]) => !few || kind === "simple"))
  for (const [batch, queries, keys, heads, size] of few ? [SIZES[1], SIZES[4]] : sizes) {
    Object.assign(device, { products });
    const normal = (tokens: number) => normalTensor(random, [batch, tokens, heads * size]);
    const [q, dy, k, v] = [queries, queries, keys, keys].map(normal);
    const both = (target: "cpu" | typeof GPU_TARGET) =>
      jit(
        (q: Tensor, k: Tensor, v: Tensor, dy: Tensor) => {
          const attention = (q: Tensor, k: Tensor, v: Tensor) => multiHeadAttention(q, k, v, heads);
          const { grads, value } = tf.valueAndGrads((...[q, k, v]: Tensor[]) =>
            tf.mul(attention(q, k, v), dy).sum(),
          )([q, k, v]);
          return { value, out: attention(q, k, v), grads };
        },
        { target, name: "attention" },
      );
    const [expected, actual] = await Promise.all([both("cpu")(q, k, v, dy), both(GPU_TARGET)(q, k, v, dy)]);
    let worst = 0;
    for (const [a, b] of [
      [expected.out, actual.out],
      ...expected.grads.map((grad, i) => [grad, actual.grads[i]] as const),
    ]) {
      const [wanted, got] = [await a.data(), await b.data()];
      const scale = Math.max(1, ...Array.from(wanted, Math.abs));
      const error = Math.max(...Array.from(wanted, (x, i) => Math.abs(x - got[i]))) / scale;
      worst = error > worst || Number.isNaN(error) ? error : worst;
    }
    console.log(JSON.stringify({ name: `${kind}: ${[batch, queries, keys, heads, size]}`, worst }));
  }
process.exit(0);
