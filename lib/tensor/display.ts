/** How notebooks show tensors: `Symbol.for("Jupyter.display")` is a method that gives representations by mime type. */
import { type Tensor, TensorClass, tf } from "./tf.ts";

/** Values shown in text; a tensor's statistics say more than its millionth value. */
const MAX_VALUES = 1000;
/** Values that are read from a GPU to be shown: what is read is kept beside the tensor. */
const MAX_READ = 2 ** 24;

const short = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(4));

/** Smallest, mean and largest value, and how many are not finite. */
function statistics(values: ArrayLike<number>): string {
  let [low, high, sum, bad] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) bad++;
    else {
      low = Math.min(low, value);
      high = Math.max(high, value);
      sum += value;
    }
  }
  const finite = values.length - bad;
  const range = finite > 0 ? `min ${short(low)}, mean ${short(sum / finite)}, max ${short(high)}` : "";
  return [range, bad > 0 ? `${bad} not finite` : ""].filter((part) => part !== "").join(", ");
}

const headOf = (tensor: Tensor): string => `Tensor ${tensor.dtype} [${tensor.shape.join(", ")}]`;

function textOf(tensor: Tensor, values: ArrayLike<number>): string {
  const summary = tensor.size > 1 ? ` · ${statistics(values)}` : "";
  const shown = tensor.size <= MAX_VALUES ? `\n${tensor.toString().replace(/^Tensor\n?/, "")}` : "";
  return `${headOf(tensor)}${summary}${shown}`;
}

/** A tensor whose numbers come asynchronously; one of many is not brought from its device for that. */
async function textLater(tensor: Tensor): Promise<string> {
  if (tensor.size > MAX_READ) return `${headOf(tensor)}, on a GPU`;
  try {
    const values = (await tensor.data()) as ArrayLike<number>;
    return textOf(tensor, values);
  } catch (error) {
    // It may be gone meanwhile.
    return `${headOf(tensor)}, ${tensor.isDisposed ? "disposed" : (error as Error).message}`;
  }
}

function text(tensor: Tensor): string | Promise<string> {
  const head = headOf(tensor);
  if (tensor.isDisposed) return `${head}, disposed`;
  // A traced tensor has no values, and asking for them is an error.
  const traced = tf.getBackend() === "ditlab-trace";
  if (traced || tensor.dtype === "string" || tensor.dtype === "complex64" || tensor.size === 0) return head;
  let values: ArrayLike<number>;
  try {
    values = tensor.dataSync();
  } catch {
    // GPUs give values only asynchronously.
    return textLater(tensor);
  }
  return textOf(tensor, values);
}

Object.defineProperty(TensorClass.prototype, Symbol.for("Jupyter.display"), {
  configurable: true,
  value(this: Tensor) {
    const shown = text(this);
    if (typeof shown === "string") return { "text/plain": shown };
    return shown.then((text) => ({ "text/plain": text }));
  },
});
