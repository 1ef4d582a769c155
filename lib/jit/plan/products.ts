/** Matrix products in tiles, and attention that stores no scores. */
import { sizeOf, type Value } from "../graph.ts";
import { Index, type KernelBuilder, times } from "./builder.ts";
import type { Root } from "./root.ts";
import { added, combine, eachPlace, joined, workgroups } from "./threads.ts";

interface ProductShape {
  rows: number;
  columns: number;
  depth: number;
  transA: boolean;
  transB: boolean;
  alpha: number;
}

function shapeOf(a: Value, out: Value, attributes: Record<string, unknown>): ProductShape {
  const {
    transA = 0,
    transB = 0,
    alpha,
  } = attributes as Record<string, number> & { alpha?: { float: number } };
  const rank = out.shape.length;
  return {
    rows: out.shape[rank - 2],
    columns: out.shape[rank - 1],
    depth: a.shape[a.shape.length - (transA ? 2 : 1)],
    transA: transA === 1,
    transB: transB === 1,
    alpha: alpha?.float ?? 1,
  };
}

/** Brings a tile of a factor into the workgroup's memory, as [term][row or column]. */
function stage(
  kernel: KernelBuilder,
  factor: Value,
  name: string,
  batch: readonly string[],
  { first, count, depth, termsLast }: { first: string; count: number; depth: number; termsLast: boolean },
): void {
  const { language } = kernel;
  const { tile, terms } = kernel.style.product;
  kernel.repeat("e", "lid", `${tile * terms}u`, `${kernel.workgroup}u`, () => {
    // Neighbouring threads take neighbours in memory.
    const [across, along] = termsLast ? [`e / ${terms}u`, `e % ${terms}u`] : [`e % ${tile}u`, `e / ${tile}u`];
    kernel.push(language.constant("u32", "across", across));
    kernel.push(language.constant("u32", "along", along));
    kernel.push(language.constant("u32", "p", `${first} + across`));
    kernel.push(language.constant("u32", "q", "k0 + along"));
    kernel.push(language.variable("f32", "x", language.literal("f32", 0)));
    kernel.block(`if (p < ${kernel.size(count)} && q < ${kernel.size(depth)})`, () => {
      const at = termsLast ? ["p", "q"] : ["q", "p"];
      const own = factor.shape.slice(-2).map((size, i) => (size === 1 ? "0u" : at[i]));
      kernel.push(`x = ${kernel.load(factor, new Index(factor.shape, [...batch, ...own]))};`);
    });
    kernel.push(`${name}[along * ${tile}u + across] = x;`);
  });
}

const matMul: Root = (kernel, { inputs: [a, b], outputs: [out], attributes }, finish) => {
  if (out.dtype !== "float32") throw new Error("jit: products of integers have no kernel on a GPU");
  const { rows, columns, depth, transA, transB, alpha } = shapeOf(a, out, attributes);
  const { language } = kernel;
  const { tile, terms, each } = kernel.style.product;
  const batches = out.shape.slice(0, -2);
  kernel.workgroup = (tile / each) ** 2;
  kernel.groups = [Math.ceil(columns / tile), Math.ceil(rows / tile), sizeOf(batches)];
  for (const name of ["tileA", "tileB"]) kernel.shared.push({ name, type: "f32", length: tile * terms });
  const batch = new Index(batches, undefined, "wg.z").coords(kernel);
  const batchOf = ({ shape }: Value): string[] =>
    shape.slice(0, -2).map((size, i) => (size === 1 ? "0u" : batch[i + batch.length - shape.length + 2]));
  kernel.push(language.constant("u32", "row0", `wg.y * ${tile}u`));
  kernel.push(language.constant("u32", "column0", `wg.x * ${tile}u`));
  kernel.push(language.constant("u32", "ty", `lid / ${tile / each}u * ${each}u`));
  kernel.push(language.constant("u32", "tx", `lid % ${tile / each}u * ${each}u`));
  kernel.push(language.local({ name: "sums", type: "f32", length: each * each }));
  const [batchA, batchB] = [batchOf(a), batchOf(b)];
  kernel.repeat("k0", "0u", kernel.size(depth), `${terms}u`, () => {
    stage(kernel, a, "tileA", batchA, { first: "row0", count: rows, depth, termsLast: !transA });
    stage(kernel, b, "tileB", batchB, { first: "column0", count: columns, depth, termsLast: transB });
    kernel.barrier();
    kernel.repeat("k", "0u", `${terms}u`, "1u", () => {
      for (let i = 0; i < each; i++) {
        kernel.push(language.constant("f32", `a${i}`, `tileA[k * ${tile}u + ty + ${i}u]`));
        kernel.push(language.constant("f32", `c${i}`, `tileB[k * ${tile}u + tx + ${i}u]`));
      }
      for (let i = 0; i < each; i++)
        for (let j = 0; j < each; j++) kernel.push(`sums[${i * each + j}] += a${i} * c${j};`);
    });
    kernel.barrier();
  });
  kernel.repeat("s", "0u", `${each * each}u`, "1u", () => {
    kernel.push(language.constant("u32", "row", `row0 + ty + s / ${each}u`));
    kernel.push(language.constant("u32", "column", `column0 + tx + s % ${each}u`));
    kernel.block(`if (row < ${kernel.size(rows)} && column < ${kernel.size(columns)})`, () => {
      const sum = alpha === 1 ? "sums[s]" : `sums[s] * ${language.literal("f32", alpha)}`;
      const value = kernel.let("f32", `${sum}`);
      const place = `${times(kernel, "wg.z", rows * columns)} + ${times(kernel, "row", columns)} + column`;
      finish(out, new Index(out.shape, undefined, kernel.let("u32", place)), value);
    });
  });
};

/** Keys whose weights a workgroup holds at a time. */
const KEYS = 256;

/**
 * A query of a head for each workgroup. Keys come in parts; what has been summed is scaled down when a later part has a
 * larger score, so that no more than a part's scores are ever held.
 */
const attention: Root = (kernel, { inputs: [q, k, v], outputs: [out], attributes }, finish) => {
  const heads = attributes.heads as number;
  const [batch, tokens, width] = q.shape;
  const keys = k.shape[1];
  const size = width / heads;
  const { language } = kernel;
  const f = (x: number): string => language.literal("f32", x);
  const each = Math.ceil(size / 64);
  workgroups(kernel, batch * heads * tokens);
  kernel.push(language.constant("u32", "t", `group % ${kernel.size(tokens)}`));
  kernel.push(language.constant("u32", "h", `(group / ${kernel.size(tokens)}) % ${kernel.size(heads)}`));
  kernel.push(language.constant("u32", "n", `group / ${kernel.size(tokens * heads)}`));
  kernel.shared.push({ name: "weights", type: "f32", length: KEYS });
  kernel.push(language.local({ name: "sums", type: "f32", length: each }));
  kernel.push(language.variable("f32", "top", f(-3.4028234663852886e38)));
  kernel.push(language.variable("f32", "total", f(0)));
  const at = (value: Value, row: string, column: string): string =>
    kernel.load(
      value,
      new Index(value.shape, [batch === 1 ? "0u" : "n", value.shape[1] === 1 ? "0u" : row, column]),
    );
  kernel.repeat("first", "0u", kernel.size(keys), `${KEYS}u`, () => {
    kernel.push(language.constant("u32", "part_keys", `min(${kernel.size(keys)} - first, ${KEYS}u)`));
    kernel.push(language.variable("f32", "most", "top"));
    kernel.repeat("s", "lid", "part_keys", "64u", () => {
      kernel.push(language.variable("f32", "dot", f(0)));
      kernel.push(language.constant("u32", "key", "first + s"));
      kernel.repeat("e", "0u", kernel.size(size), "1u", () => {
        const column = kernel.let("u32", `h * ${kernel.size(size)} + e`);
        kernel.push(`dot += ${at(q, "t", column)} * ${at(k, "key", column)};`);
      });
      kernel.push(`dot = dot * ${f(1 / Math.sqrt(size))};`);
      kernel.push("weights[s] = dot;");
      kernel.push(`most = ${language.call("max", "most", "dot")};`);
    });
    const highest = combine(kernel, "most", joined("max"));
    kernel.push(language.constant("f32", "fade", language.call("exp", `top - ${highest}`)));
    kernel.push(`top = ${highest};`);
    kernel.push(language.variable("f32", "sum", f(0)));
    kernel.repeat("s", "lid", "part_keys", "64u", () => {
      kernel.push(language.constant("f32", "weight", language.call("exp", `weights[s] - ${highest}`)));
      kernel.push("weights[s] = weight;");
      kernel.push("sum += weight;");
    });
    const sum = combine(kernel, "sum", added);
    kernel.push(`total = total * fade + ${sum};`);
    kernel.repeat("j", "0u", `${each}u`, "1u", () => {
      kernel.push(language.constant("u32", "e", "j * 64u + lid"));
      kernel.block(`if (e < ${kernel.size(size)})`, () => {
        kernel.push(language.variable("f32", "value", "sums[j] * fade"));
        kernel.repeat("s", "0u", "part_keys", "1u", () => {
          kernel.push(language.constant("u32", "key", "first + s"));
          const column = kernel.let("u32", `h * ${kernel.size(size)} + e`);
          kernel.push(`value += weights[s] * ${at(v, "key", column)};`);
        });
        kernel.push("sums[j] = value;");
      });
    });
    kernel.barrier();
  });
  kernel.repeat("j", "0u", `${each}u`, "1u", () => {
    kernel.push(language.constant("u32", "e", "j * 64u + lid"));
    kernel.block(`if (e < ${kernel.size(size)})`, () => {
      const column = kernel.let("u32", `h * ${kernel.size(size)} + e`);
      const index = new Index(out.shape, [batch === 1 ? "0u" : "n", tokens === 1 ? "0u" : "t", column]);
      finish(out, index, kernel.let("f32", "sums[j] / total"));
    });
  });
};

/** Rows by segment: a thread for each number, over all rows. */
const segmentSum: Root = (kernel, { inputs: [x, ids], outputs: [out] }, finish) => {
  const [rows] = x.shape;
  const width = sizeOf(x.shape.slice(1));
  const [segments] = out.shape;
  const { language } = kernel;
  workgroups(kernel, segments);
  eachPlace(kernel, "c", width, () => {
    kernel.push(language.variable("f32", "sum", language.literal("f32", 0)));
    kernel.repeat("row", "0u", kernel.size(rows), "1u", () => {
      const id = kernel.load(ids, new Index([rows], [rows === 1 ? "0u" : "row"]));
      kernel.block(`if (${id} == ${language.convert("u32", "i32", "group")})`, () => {
        const place = kernel.let("u32", `${times(kernel, "row", width)} + c`);
        kernel.push(`sum += ${kernel.load(x, new Index(x.shape, undefined, place))};`);
      });
    });
    const place = kernel.let("u32", `${times(kernel, "group", width)} + c`);
    finish(out, new Index(out.shape, undefined, place), "sum");
  });
};

export const PRODUCTS: Readonly<Record<string, Root>> = {
  MatMul: matMul,
  "ditlab.ScaledMatMul": matMul,
  "ditlab.MultiHeadAttention": attention,
  "ditlab.SegmentSum": segmentSum,
};
