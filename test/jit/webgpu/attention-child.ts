/** A process that compares attention and its gradients on a GPU with the processor's, and prints JSON for each size. */
import { jit } from "../../../lib/jit/index.ts";
import { multiHeadAttention } from "../../../lib/nn/attention.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";

/** Batch, tokens, heads and their size: one token, fewer and more than a tile, sizes that no tile divides. */
const SIZES = [
  [2, 1, 2, 32],
  [1, 5, 3, 10],
  [2, 17, 2, 64],
  [1, 33, 2, 72],
  [3, 16, 1, 128],
  [1, 40, 1, 200],
] as const;

const random = randomGenerator(11);
for (const [batch, tokens, heads, size] of SIZES) {
  const shape = [batch, tokens, heads * size];
  const [q, k, v, dy] = Array.from({ length: 4 }, () => normalTensor(random, shape));
  const both = (target: "cpu" | "webgpu") =>
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
  const [expected, actual] = await Promise.all([both("cpu")(q, k, v, dy), both("webgpu")(q, k, v, dy)]);
  let worst = 0;
  for (const [a, b] of [
    [expected.value, actual.value],
    [expected.out, actual.out],
    ...expected.grads.map((grad, i) => [grad, actual.grads[i]] as const),
  ]) {
    const [wanted, got] = [await a.data(), await b.data()];
    const scale = Math.max(1, ...Array.from(wanted, Math.abs));
    const error = Math.max(...Array.from(wanted, (x, i) => Math.abs(x - got[i]))) / scale;
    worst = error > worst || Number.isNaN(error) ? error : worst;
  }
  console.log(JSON.stringify({ name: `[${shape}] in ${heads}`, worst }));
}
process.exit(0);
