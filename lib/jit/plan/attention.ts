/** Attention without an array of scores. */
import { ATTENTION_GRADIENTS } from "./attention-gradient.ts";
import { Heads } from "./heads.ts";
import type { Root } from "./root.ts";

const LOWEST = -3.4028234663852886e38;

/**
 * softmax(q k^T scale) v. Keys come in tiles; what has been summed is scaled down when a later tile has a larger score.
 * The second output, where there is one, is the log sum exp of each query's scores.
 */
const attention: Root = (kernel, node, finish) => {
  const [q, k, v] = node.inputs;
  const [out, sums] = node.outputs;
  const heads = new Heads(kernel, node, q, { scores: 1, results: 1 });
  const { language } = kernel;
  const keys = k.shape[1];
  const max = (a: string, b: string): string => language.call("max", a, b);
  heads.begin("out");
  heads.eachOwn((i) => {
    kernel.push(language.variable("f32", `top${i}`, heads.f(LOWEST)));
    // Of the thread's own keys: they are added up behind the last tile.
    kernel.push(language.variable("f32", `total${i}`, heads.f(0)));
  });
  heads.meet(keys, () => {
    heads.dots("score", q, k);
    heads.eachOwn((i) => kernel.push(language.variable("f32", `most${i}`, `top${i}`)));
    heads.eachMet((j, other) =>
      kernel.push(language.constant("bool", `there${j}`, `${other} < ${kernel.size(keys)}`)),
    );
    heads.eachPair((pair, i, j) => {
      const score = language.select(`there${j}`, `score${pair} * scale`, heads.f(LOWEST));
      kernel.push(`score${pair} = ${score};`);
      kernel.push(`most${i} = ${max(`most${i}`, `score${pair}`)};`);
    });
    heads.acrossLanes("part", "most", max);
    heads.eachOwn((i) => {
      kernel.push(language.constant("f32", `fade${i}`, language.call("exp", `top${i} - most${i}`)));
      kernel.push(`top${i} = most${i};`);
      kernel.push(`total${i} = total${i} * fade${i};`);
    });
    heads.eachPair((pair, i) => {
      kernel.push(`score${pair} = ${language.call("exp", `score${pair} - most${i}`)};`);
      kernel.push(`total${i} += score${pair};`);
    });
    heads.putWeights("score");
    heads.multiply("out", (i) => `fade${i}`);
    heads.addWeighted("out", v, false);
  });
  heads.acrossLanes("part", "total", (a, b) => `(${a} + ${b})`);
  heads.store(out, finish, "out", (sum, i) => `${sum} / total${i}`);
  if (sums)
    heads.onceARow((i, row) =>
      finish(
        sums,
        heads.statisticIndex(sums, row),
        kernel.let("f32", `top${i} + ${language.call("log", `total${i}`)}`),
      ),
    );
};

export const ATTENTION: Readonly<Record<string, Root>> = {
  "ditlab.MultiHeadAttention": attention,
  ...ATTENTION_GRADIENTS,
};
