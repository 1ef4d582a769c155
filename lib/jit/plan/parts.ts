/** What a few workgroups would compute is computed in parts by many, which are added up behind. */
import { asItIs, type Dialect, type Rule } from "../dialect.ts";
import { OWN, sizeOf } from "../graph.ts";
import { binary } from "../kernels/elementwise.ts";
import { formFor, type ProductDevice } from "./forms.ts";
import { productCall } from "./library.ts";
import { productOf } from "./products.ts";
import { ints } from "./root.ts";
import { sharingOf } from "./sharing.ts";
import { THREADS } from "./threads.ts";

const product =
  (device: ProductDevice): Rule =>
  (graph, inputs, node, rewrite) => {
    const [out] = node.outputs;
    if (out.dtype !== "float32" || sizeOf(out.shape) === 0) return asItIs(graph, inputs, node, rewrite);
    if (device.library && productCall(node)) return asItIs(graph, inputs, node, rewrite);
    const { parts } = formFor(productOf(node).size, device);
    if (parts === 1) return asItIs(graph, inputs, node, rewrite);
    const shape = [parts, ...out.shape];
    const attributes = { ...node.attributes, parts };
    const made = graph.emit("PartialMatMul", inputs, { shape, dtype: out.dtype }, attributes, OWN);
    return [graph.emit("ReduceSum", [made, graph.ints([0])], out, { keepdims: 0 })];
  };

/** Numbers that a thread adds one after the other: more are worth another kernel. */
const SERIAL = 64;
const MOST_PARTS = 64;
/** A thread that only reads waits most of its time: so many times as many are at work. */
const WAITING = 4;

/** `joining` is what joins the parts. */
const reduction =
  (joining: string, { threads, isSimple }: ProductDevice): Rule =>
  (graph, inputs, node, rewrite) => {
    const [from, axesValue] = inputs;
    const [out] = node.outputs;
    const axes = axesValue ? ints(axesValue) : from.shape.map((_, i) => i);
    const sharing = sharingOf(from.shape, axes);
    const { across, count, sums } = sharing;
    const serial = count / (sharing.isShared ? THREADS / across : 1);
    const missing = (WAITING * threads) / (Math.ceil(sums / across) * THREADS);
    const worth = (count * across * 2) / (THREADS * SERIAL);
    const parts = Math.floor(Math.min(missing, worth, MOST_PARTS));
    if (isSimple || from.dtype !== "float32" || serial <= SERIAL || !(parts > 1))
      return asItIs(graph, inputs, node, rewrite);
    const isMean = node.op === "ReduceMean";
    const { dtype } = out;
    const some = graph.emit(
      `Partial${isMean ? "ReduceSum" : node.op}`,
      [from, graph.ints(axes)],
      { shape: [parts, ...out.shape], dtype },
      { parts },
      OWN,
    );
    const all = graph.emit(joining, [some, graph.ints([0])], out, { keepdims: 0 });
    return [isMean ? binary(graph, "Div", all, graph.scalar(count)) : all];
  };

/** Written for a device, and before kernels are planned for it. */
export function inParts(device: ProductDevice): Dialect {
  const byProduct = product(device);
  return {
    MatMul: byProduct,
    [`${OWN}.ScaledMatMul`]: byProduct,
    ReduceSum: reduction("ReduceSum", device),
    ReduceMean: reduction("ReduceSum", device),
    ReduceSumSquare: reduction("ReduceSum", device),
    ReduceProd: reduction("ReduceProd", device),
    ReduceMax: reduction("ReduceMax", device),
    ReduceMin: reduction("ReduceMin", device),
  };
}
