/** The library's product kernel in many forms, over the products of a block of the papers' models. */
import { jit } from "../../../lib/jit/index.ts";
import { FORMS, formFor, type ProductForm, threadsOf } from "../../../lib/jit/plan/forms.ts";
import { useTarget } from "../../../lib/jit/targets/index.ts";
import { openDevice } from "../../../lib/jit/targets/webgpu/device.ts";
import { tf } from "../../../lib/tensor/index.ts";
import { attempt, report } from "../report.ts";

const PART = "forms";

/** Rows, columns, terms, whether the factors are transposed: forwards, and both gradients, of 8,192 tokens. */
const products = (width: number): [number, number, number, boolean, boolean][] =>
  [
    [width, 3 * width],
    [width, 4 * width],
    [4 * width, width],
  ].flatMap(([from, to]): [number, number, number, boolean, boolean][] => [
    [8192, to, from, false, false],
    [8192, from, to, false, true],
    [from, to, 8192, true, false],
  ]);

const square = (tile: number, each: number, slices: number, terms: number): ProductForm => ({
  rows: tile,
  columns: tile,
  eachRows: each,
  eachColumns: each,
  slices,
  terms,
});
const MORE: ProductForm[] = [
  square(64, 8, 1, 16),
  square(128, 8, 1, 8),
  square(64, 4, 1, 32),
  { ...square(64, 4, 1, 16), rows: 128, eachRows: 8 },
];

export async function forms(): Promise<void> {
  useTarget("webgpu");
  const { products: device } = (await openDevice()) as unknown as {
    products: { measured?: (size: unknown) => ProductForm };
  };
  const widths = (process.env.GPU_WIDTHS ?? "384 1152").split(" ").map(Number);
  for (const size of widths.flatMap(products)) {
    const [rows, columns, depth, transA, transB] = size;
    const a = tf.zeros(transA ? [depth, rows] : [rows, depth]);
    const b = tf.zeros(transB ? [columns, depth] : [depth, columns]);
    device.measured = undefined;
    const chosen = formFor({ rows, columns, depth, batch: 1 }, device as never);
    for (const form of [...FORMS.slice(0, 3), ...MORE])
      await attempt(PART, { size, form: [form.rows, form.columns, form.eachRows, form.slices, form.terms], threads: threadsOf(form), chosen: form === chosen }, async () => {
        device.measured = () => form;
        const fn = jit((x: typeof a, y: typeof b) => tf.matMul(x, y, transA, transB));
        const { seconds, flops } = await fn.profile([a, b], { runs: 3 });
        await fn.dispose();
        return { ms: 1000 * seconds, tflops: flops / seconds / 1e12 };
      });
    device.measured = undefined;
    tf.dispose([a, b]);
  }
  report(PART, { what: "done" });
}
