/**
 * The gradient of attention, without an array of scores: these are made again, from the queries and keys and each query's
 * log sum exp, once by workgroups that own queries, and once by workgroups that own keys.
 */
import { Heads } from "./heads.ts";
import type { Root } from "./root.ts";

/**
 * With p = exp(score - sums), D = sum over the width of dy out, and ds = p (dy v^T - D): dq = ds k scale. The second
 * output is D, [B,heads,T].
 */
const queryGradient: Root = (kernel, node, finish) => {
  const [dy, q, k, v, out, sums] = node.inputs;
  const [dq, rowSums] = node.outputs;
  const heads = new Heads(kernel, node, q, { scores: 2, results: 1 });
  const { language } = kernel;
  const keys = k.shape[1];
  heads.begin("dq");
  heads.eachOwn((i, row) => {
    kernel.push(language.variable("f32", `row_sum${i}`, heads.f(0)));
    kernel.push(language.variable("f32", `log_sum${i}`, heads.f(0)));
    kernel.block(`if (${row} < ${kernel.size(q.shape[1])})`, () => {
      kernel.repeat("e", "lane", `${heads.size}u`, `${heads.tiles.lanes}u`, () => {
        const [slope, result] = [dy, out].map((value) => kernel.load(value, heads.index(value, row, "e")));
        kernel.push(`row_sum${i} += ${slope} * ${result};`);
      });
      kernel.push(`log_sum${i} = ${heads.statistic(sums, row)};`);
    });
  });
  heads.acrossLanes("own", "row_sum", (a, b) => `(${a} + ${b})`);
  heads.meet(keys, () => {
    heads.dots("slope", dy, v);
    heads.dots("score", q, k);
    heads.eachMet((j, other) =>
      kernel.push(language.constant("bool", `there${j}`, `${other} < ${kernel.size(keys)}`)),
    );
    heads.eachPair((pair, i, j) => {
      const weight = language.call("exp", `score${pair} * scale - log_sum${i}`);
      const both = `${weight} * (slope${pair} - row_sum${i})`;
      kernel.push(`score${pair} = ${language.select(`there${j}`, both, heads.f(0))};`);
    });
    kernel.barrier();
    heads.putWeights("score");
    heads.addWeighted("dq", k, true);
  });
  heads.store(dq, finish, "dq", (sum) => `${sum} * scale`);
  heads.onceARow((i, row) => finish(rowSums, heads.statisticIndex(rowSums, row), `row_sum${i}`));
};

/** The same from the keys' side: dk = ds^T q scale, dv = p^T dy. */
const keyGradient: Root = (kernel, node, finish) => {
  const [dy, q, k, v, sums, rowSums] = node.inputs;
  const [dk, dv] = node.outputs;
  const heads = new Heads(kernel, node, k, { scores: 2, results: 2 });
  const { language } = kernel;
  const queries = q.shape[1];
  heads.begin("dk");
  heads.begin("dv");
  heads.meet(queries, () => {
    // On their way while there is other work.
    heads.eachMet((j, other) => {
      kernel.push(language.constant("bool", `there${j}`, `${other} < ${kernel.size(queries)}`));
      kernel.push(language.variable("f32", `log_sum${j}`, heads.f(0)));
      kernel.push(language.variable("f32", `row_sum${j}`, heads.f(0)));
      kernel.block(`if (there${j})`, () => {
        kernel.push(`log_sum${j} = ${heads.statistic(sums, other)};`);
        kernel.push(`row_sum${j} = ${heads.statistic(rowSums, other)};`);
      });
    });
    heads.dots("slope", v, dy);
    heads.dots("score", k, q);
    heads.eachPair((pair, _, j) => {
      const weight = language.call("exp", `score${pair} * scale - log_sum${j}`);
      kernel.push(`score${pair} = ${language.select(`there${j}`, weight, heads.f(0))};`);
      kernel.push(`slope${pair} = score${pair} * (slope${pair} - row_sum${j});`);
    });
    kernel.barrier();
    heads.putWeights("slope");
    heads.addWeighted("dk", q, true);
    kernel.barrier();
    heads.putWeights("score");
    heads.addWeighted("dv", dy, false);
  });
  heads.store(dk, finish, "dk", (sum) => `${sum} * scale`);
  heads.store(dv, finish, "dv", (sum) => sum);
};

export const ATTENTION_GRADIENTS: Readonly<Record<string, Root>> = {
  "ditlab.AttentionQueryGradient": queryGradient,
  "ditlab.AttentionKeyGradient": keyGradient,
};
