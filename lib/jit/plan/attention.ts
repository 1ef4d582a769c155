/**
 * Attention and its gradient, without an array of scores: what a kernel needs of them it makes again, from the queries and
 * keys and each query's log sum exp.
 */
import { Heads } from "./heads.ts";
import type { Root } from "./root.ts";
import { THREADS } from "./threads.ts";

const LOWEST = -3.4028234663852886e38;

/**
 * softmax(q k^T scale) v. Keys come in tiles; what has been summed is scaled down when a later tile has a larger score.
 * The second output, where there is one, is the log sum exp of each query's scores.
 */
const attention: Root = (kernel, node, finish) => {
  const [q, k, v] = node.inputs;
  const [out, sums] = node.outputs;
  const heads = new Heads(kernel, node, q, { own: 1, met: 1 });
  const { language } = kernel;
  const { rows, others, lanes } = heads.tiles;
  const keys = k.shape[1];
  const [own, met] = [heads.share("own", rows), heads.share("met", others)];
  kernel.shared.push({ name: "scores", type: "f32", length: rows * others });
  heads.numbers("totals");
  kernel.push(language.variable("f32", "top", heads.f(LOWEST)));
  kernel.push(language.variable("f32", "total", heads.f(0)));
  heads.bring(own, q, "row0", rows);
  heads.meet(keys, () => {
    heads.bring(met, k, "first", others);
    kernel.barrier();
    heads.eachPair(keys, (isThere) => {
      heads.dots([{ sum: "dot", a: own, line: "r", b: met, other: "c" }]);
      kernel.push(
        `scores[r * ${others}u + c] = ${language.select(isThere, "dot * scale", heads.f(LOWEST))};`,
      );
    });
    kernel.barrier();
    heads.bring(met, v, "first", others);
    kernel.push(language.variable("f32", "most", "top"));
    kernel.repeat("c", "0u", `${others}u`, "1u", () =>
      kernel.push(`most = ${language.call("max", "most", `scores[r * ${others}u + c]`)};`),
    );
    kernel.push(language.constant("f32", "fade", language.call("exp", "top - most")));
    kernel.push("top = most;");
    kernel.barrier();
    kernel.repeat("c", "lane", `${others}u`, `${lanes}u`, () =>
      kernel.push(
        `scores[r * ${others}u + c] = ${language.call("exp", `scores[r * ${others}u + c] - most`)};`,
      ),
    );
    kernel.barrier();
    kernel.push("total = total * fade;");
    kernel.repeat("c", "0u", `${others}u`, "1u", () => kernel.push(`total += scores[r * ${others}u + c];`));
    heads.eachOwn(() => {
      kernel.push(language.variable("f32", "sum", "totals[j] * fade"));
      kernel.repeat("c", "0u", `${others}u`, "1u", () =>
        kernel.push(`sum += scores[r * ${others}u + c] * ${met}[${heads.at("c", "e")}];`),
      );
      kernel.push("totals[j] = sum;");
    });
    kernel.barrier();
  });
  heads.store(out, finish, "totals[j] / total");
  if (sums)
    heads.onceARow(() =>
      finish(
        sums,
        heads.statisticIndex(sums, "row"),
        kernel.let("f32", `top + ${language.call("log", "total")}`),
      ),
    );
};

/**
 * With p = exp(score - sums), D = sum over the width of dy out, and ds = p (dy v^T - D): dq = ds k scale. The second
 * output is D, [B,heads,T].
 */
const queryGradient: Root = (kernel, node, finish) => {
  const [dy, q, k, v, out, sums] = node.inputs;
  const [dq, rowSums] = node.outputs;
  const heads = new Heads(kernel, node, q, { own: 2, met: 2 });
  const { language } = kernel;
  const { rows, others, lanes } = heads.tiles;
  const keys = k.shape[1];
  const [queries, slopes] = [heads.share("queries", rows), heads.share("slopes", rows)];
  const [keyRows, valueRows] = [heads.share("keys", others), heads.share("values", others)];
  kernel.shared.push({ name: "ds", type: "f32", length: rows * others });
  kernel.shared.push({ name: "part", type: "f32", length: THREADS });
  heads.numbers("totals");
  heads.bring(queries, q, "row0", rows);
  heads.bring(slopes, dy, "row0", rows);
  kernel.barrier();
  kernel.push(language.variable("f32", "own_sum", heads.f(0)));
  kernel.push(language.variable("f32", "log_sum", heads.f(0)));
  kernel.block(`if (row < ${kernel.size(q.shape[1])})`, () => {
    heads.eachOwn(() =>
      kernel.push(
        `own_sum += ${slopes}[${heads.at("r", "e")}] * ${kernel.load(out, heads.index(out, "row", "e"))};`,
      ),
    );
    kernel.push(`log_sum = ${heads.statistic(sums, "row")};`);
  });
  kernel.push("part[lid] = own_sum;");
  kernel.barrier();
  kernel.push(language.variable("f32", "row_sum", heads.f(0)));
  kernel.repeat("c", "0u", `${lanes}u`, "1u", () => kernel.push(`row_sum += part[r * ${lanes}u + c];`));
  heads.meet(keys, () => {
    heads.bring(keyRows, k, "first", others);
    heads.bring(valueRows, v, "first", others);
    kernel.barrier();
    heads.eachPair(keys, (isThere) => {
      heads.dots([
        { sum: "score", a: queries, line: "r", b: keyRows, other: "c" },
        { sum: "slope", a: slopes, line: "r", b: valueRows, other: "c" },
      ]);
      const weight = language.call("exp", "score * scale - log_sum");
      kernel.push(
        `ds[r * ${others}u + c] = ${language.select(isThere, `${weight} * (slope - row_sum)`, heads.f(0))};`,
      );
    });
    kernel.barrier();
    heads.eachOwn(() => {
      kernel.push(language.variable("f32", "sum", "totals[j]"));
      kernel.repeat("c", "0u", `${others}u`, "1u", () =>
        kernel.push(`sum += ds[r * ${others}u + c] * ${keyRows}[${heads.at("c", "e")}];`),
      );
      kernel.push("totals[j] = sum;");
    });
    kernel.barrier();
  });
  heads.store(dq, finish, "totals[j] * scale");
  heads.onceARow(() => finish(rowSums, heads.statisticIndex(rowSums, "row"), "row_sum"));
};

/** The same from the keys' side: dk = ds^T q scale, dv = p^T dy. */
const keyGradient: Root = (kernel, node, finish) => {
  const [dy, q, k, v, sums, rowSums] = node.inputs;
  const [dk, dv] = node.outputs;
  const heads = new Heads(kernel, node, k, { own: 2, met: 2 });
  const { language } = kernel;
  const { rows, others } = heads.tiles;
  const queries = q.shape[1];
  const [keyRows, valueRows] = [heads.share("keys", rows), heads.share("values", rows)];
  const [queryRows, slopes] = [heads.share("queries", others), heads.share("slopes", others)];
  for (const name of ["p", "ds"]) kernel.shared.push({ name, type: "f32", length: rows * others });
  heads.numbers("totals_k");
  heads.numbers("totals_v");
  heads.bring(keyRows, k, "row0", rows);
  heads.bring(valueRows, v, "row0", rows);
  heads.meet(queries, () => {
    heads.bring(queryRows, q, "first", others);
    heads.bring(slopes, dy, "first", others);
    kernel.barrier();
    heads.eachPair(queries, (isThere) => {
      heads.dots([
        { sum: "score", a: keyRows, line: "r", b: queryRows, other: "c" },
        { sum: "slope", a: valueRows, line: "r", b: slopes, other: "c" },
      ]);
      kernel.push(language.variable("f32", "weight", heads.f(0)));
      kernel.push(language.variable("f32", "both", heads.f(0)));
      kernel.block(`if (${isThere})`, () => {
        kernel.push(`weight = ${language.call("exp", `score * scale - ${heads.statistic(sums, "other")}`)};`);
        kernel.push(`both = weight * (slope - ${heads.statistic(rowSums, "other")});`);
      });
      kernel.push(`p[r * ${others}u + c] = weight;`);
      kernel.push(`ds[r * ${others}u + c] = both;`);
    });
    kernel.barrier();
    heads.eachOwn(() => {
      kernel.push(language.variable("f32", "sum_k", "totals_k[j]"));
      kernel.push(language.variable("f32", "sum_v", "totals_v[j]"));
      kernel.repeat("c", "0u", `${others}u`, "1u", () => {
        kernel.push(`sum_k += ds[r * ${others}u + c] * ${queryRows}[${heads.at("c", "e")}];`);
        kernel.push(`sum_v += p[r * ${others}u + c] * ${slopes}[${heads.at("c", "e")}];`);
      });
      kernel.push("totals_k[j] = sum_k;");
      kernel.push("totals_v[j] = sum_v;");
    });
    kernel.barrier();
  });
  heads.store(dk, finish, "totals_k[j] * scale");
  heads.store(dv, finish, "totals_v[j]");
};

export const ATTENTION: Readonly<Record<string, Root>> = {
  "ditlab.MultiHeadAttention": attention,
  "ditlab.AttentionQueryGradient": queryGradient,
  "ditlab.AttentionKeyGradient": keyGradient,
};
