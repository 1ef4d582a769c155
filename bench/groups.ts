/**
 * What it costs that tokens see their own group alone: a student's forward and backward pass with full attention, with a
 * mask, and with tokens sorted by group, in alternation.
 *
 *     npm run bench:groups -- [--rounds 9] [--batch 4] [--depth 4] [--size 32]
 */
import { parseArgs } from "node:util";
import { jit } from "../lib/jit/index.ts";
import { type ApplyOptions, makeNetwork, modelConfig } from "../lib/models/index.ts";
import { valueAndGrad } from "../lib/tensor/gradient.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../lib/tensor/index.ts";
import { disposeTree } from "../lib/tensor/tree.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    batch: { type: "string", default: "4" },
    depth: { type: "string", default: "4" },
    size: { type: "string", default: "32" },
  },
});
const [rounds, batch, depth, inputSize] = [values.rounds, values.batch, values.depth, values.size].map(
  Number,
);
const network = makeNetwork({ ...modelConfig("SiT-S/2"), depth, inputSize });
const { tokens } = network;
const random = randomGenerator(1);
const params = network.init(random);
const x = normalTensor(random, [batch, ...network.input]);
const t = tf.tensor2d(random.uniforms(batch * tokens), [batch, tokens]);
const condition = network.nullCondition(batch);
const sizes = [tokens / 4, (3 * tokens) / 4];

const orders = Array.from({ length: batch }, () => Array.from(random.permutation(tokens)));
const order = tf.tensor2d(orders, [batch, tokens], "int32");
const places = tf.tensor2d(
  orders.map((one) => one.map((_, token) => one.indexOf(token))),
  [batch, tokens],
  "int32",
);
const first = tf.less(places, sizes[0]);
const attentionMask = tf.equal(tf.expandDims(first, 2), tf.expandDims(first, 1)) as Tensor;

const step = (options: (given: Tensor[]) => ApplyOptions) =>
  jit((params: Params, x: Tensor, ...given: Tensor[]) =>
    valueAndGrad((params: Params) =>
      tf.mean(tf.square(network.apply(params, x, t, condition, options(given)).output)),
    )(params),
  );
const KINDS = {
  "full attention": { run: step(() => ({})), given: [] },
  "a mask": { run: step(([attentionMask]) => ({ attentionMask })), given: [attentionMask] },
  "sorted by group": {
    run: step(([order, places]) => ({ attentionGroups: { order, places, sizes } })),
    given: [order, places],
  },
};

const times = new Map<string, number[]>(Object.keys(KINDS).map((name) => [name, []]));
for (let round = 0; round <= rounds; round++)
  for (const [name, { run, given }] of Object.entries(KINDS)) {
    const started = performance.now();
    const result = await run(params, x, ...given);
    // The first round compiles.
    if (round > 0) times.get(name)!.push(performance.now() - started);
    disposeTree(result);
  }
const median = (list: number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1];
const base = median(times.get("full attention")!);
for (const [name, list] of times)
  console.log(`${name.padEnd(16)} ${median(list).toFixed(0)} ms  ${(median(list) / base).toFixed(2)}x`);
process.exit(0);
