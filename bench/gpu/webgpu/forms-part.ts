/** The library's product kernel in all forms, over the products of a block of the papers' models. */
import { jit } from "../../../lib/jit/index.ts";
import { FORMS, formFor, matrixForms, memoryOf, type ProductDevice } from "../../../lib/jit/plan/forms.ts";
import { useTarget } from "../../../lib/jit/targets/index.ts";
import { openDevice } from "../../../lib/jit/targets/webgpu/device.ts";
import { tf } from "../../../lib/tensor/index.ts";
import { attempt } from "../report.ts";

const PART = "forms";

/** Rows, columns, terms, whether the factors are transposed: forwards, and both gradients, of 8,192 tokens. */
const products = (width: number): [number, number, number, boolean, boolean][] =>
  [
    [width, 3 * width],
    [width, 4 * width],
    [4 * width, width],
  ].flatMap(([from, to]): [number, number, number, boolean, boolean][] => [
    [8192, to, from, false, true],
    [8192, from, to, false, false],
    [from, to, 8192, true, false],
  ]);

export async function forms(): Promise<void> {
  useTarget("webgpu");
  const device = await openDevice();
  const own = device.products;
  const use = (products: ProductDevice): void => void Object.assign(device, { products });
  const widths = (process.env.GPU_WIDTHS ?? "384 768 1152").split(" ").map(Number);
  const matrices = device.matrices.flatMap(matrixForms);
  const busy = jit((x: ReturnType<typeof tf.zeros>) => tf.matMul(x, x));
  const large = tf.zeros([4096, 4096]);
  (await busy(large)).dispose();
  for (const size of widths.flatMap(products)) {
    const [rows, columns, depth, transA, transB] = size;
    const a = tf.zeros(transA ? [depth, rows] : [rows, depth]);
    const b = tf.zeros(transB ? [columns, depth] : [depth, columns]);
    use(own);
    const chosen = formFor({ rows, columns, depth, batch: 1 }, own);
    for (const form of [...FORMS, ...matrices].filter((form) => memoryOf(form) <= own.workgroupMemory))
      for (const parts of depth > 4096 ? [1, 4, 16] : [1])
        await attempt(
          PART,
          {
            size,
            form: [form.rows, form.columns, form.eachRows, form.eachColumns, form.matrices ? "matrices" : ""],
            parts,
            chosen: form.rows === chosen.form.rows && form.columns === chosen.form.columns,
          },
          async () => {
            use({ ...own, measured: () => ({ form, parts }) });
            const fn = jit((x: typeof a, y: typeof b) => tf.matMul(x, y, transA, transB));
            (await fn(a, b)).dispose();
            // An idle card runs slowly at first.
            for (let i = 0; i < 3; i++) (await busy(large)).dispose();
            const { seconds, flops } = await fn.profile([a, b], { runs: 5 });
            await fn.dispose();
            return { ms: 1000 * seconds, tflops: flops / seconds / 1e12 };
          },
        );
    tf.dispose([a, b]);
  }
}
