/** Tensors from outside on a backend that is read asynchronously, as webgpu is. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit, loop } from "../../lib/jit/index.ts";
import { type DataType, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";

const BACKEND = "made-up-gpu";
const memory = new Map<object, Float32Array>();
let reads = 0;

/** Holds numbers, and gives them only in promises. */
class MadeUpGpu extends tf.KernelBackend {
  override numDataIds = () => memory.size;
  override refCount = () => 1;
  override incRef(): void {}
  override timerAvailable = () => false;
  override floatPrecision = (): 32 => 32;
  override epsilon = () => 1e-7;
  override memory = () => ({ unreliable: true });
  override disposeData = (dataId: object) => memory.delete(dataId);
  override write(values: unknown): object {
    const dataId = {};
    this.move(dataId, values as Float32Array);
    return dataId;
  }
  override move(dataId: object, values: unknown): void {
    memory.set(dataId, values as Float32Array);
  }
  override readSync(): never {
    throw new Error("OffscreenCanvas is not defined");
  }
  override async read(dataId: object): Promise<Float32Array> {
    reads++;
    const values = memory.get(dataId)!;
    await new Promise((resolve) => setTimeout(resolve, 1));
    return values;
  }
}
tf.registerBackend(BACKEND, () => new MadeUpGpu() as unknown as InstanceType<typeof tf.KernelBackend>, 0);

/** Tensors on the made-up backend; what is called afterwards is on the usual one again. */
function onGpu(values: number[], dtype: DataType = "float32"): Tensor {
  const before = tf.getBackend();
  tf.setBackend(BACKEND);
  try {
    return tf.tensor1d(values, dtype as "float32");
  } finally {
    tf.setBackend(before);
  }
}

const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());
const x = tf.tensor1d([1, 2, 3]);

test("a call reads them, all at once, and traces again", async () => {
  const [scale, offset] = [onGpu([2, 3, 4]), onGpu([1, 0, -1])];
  const order = onGpu([2, 0, 1], "int32");
  let traced = 0;
  const f = jit((x: Tensor) => {
    traced++;
    return tf.gather(tf.add(tf.mul(x, scale), offset), order as never);
  });
  reads = 0;
  assert.equal(numbers(await f(x)), [11, 3, 6]);
  assert.equal([traced, reads], [2, 3]);
  // Read once for all traces, also the synchronous ones from now on.
  assert.equal(numbers(await f(tf.tensor1d([0, 0, 0]))), [-1, 1, 0]);
  assert.ok(f.lower([x]).nodes > 0);
  assert.is(reads, 3);
  await f.dispose();
});

test("an argument on such a backend is read, as ever", async () => {
  const f = jit((x: Tensor) => tf.mul(x, 2));
  assert.equal(numbers(await f(onGpu([1, 2]))), [2, 4]);
  await f.dispose();
});

test("what is disposed or donated while they are read does not matter", async () => {
  const scale = onGpu([2, 3, 4]);
  const f = jit((tree: { x: Tensor }) => ({ x: tf.mul(tree.x, scale) }), { donate: [0] });
  const tree = { x: tf.tensor1d([1, 1, 1]) };
  const call = f(tree);
  scale.dispose();
  tree.x = tf.zeros([7]);
  assert.equal(numbers((await call).x), [2, 3, 4]);
  await f.dispose();
});

test("profile and save wait for them; lower says what to do", async () => {
  const fresh = () => {
    const scale = onGpu([2, 3, 4]);
    return jit((x: Tensor) => tf.mul(x, scale), { name: "scaled" });
  };
  assert.throws(
    () => fresh().lower([x]),
    /^jit: a tensor from outside the traced function \(\[3\] float32\) has numbers that its backend gives only asynchronously; call the compiled function, which reads them, before `lower`, or pass the tensor as an argument$/,
  );
  const f = fresh();
  const profile = await f.profile([x], { runs: 1 });
  assert.ok(profile.nodes > 0);
  await f.dispose();
  const path = join(await temporaryFolder(), "scaled.onnx");
  await fresh().save(path, [x]);
  assert.ok((await readFile(path)).length > 0);
});

test("a mistake in the traced function is still what is told", async () => {
  const scale = onGpu([2, 3, 4]);
  await rejects(jit((x: Tensor) => tf.mul(tf.mul(x, scale), x.dataSync()[0]))(x), /value of a traced tensor/);
  await rejects(jit((x: Tensor) => tf.mul(x, tf.zeros([scale.size + 1])))(x), /shapes/);
  const gone = tf.tensor1d([1, 2, 3]);
  gone.dispose();
  await rejects(
    jit((x: Tensor) => tf.mul(x, gone))(x),
    /^jit: a tensor from outside the traced function \(\[3\] float32\) has been disposed$/,
  );
});

test("an eager loop says that it cannot read its count", () => {
  const before = tf.getBackend();
  const count = onGpu([2], "int32");
  assert.throws(
    () => loop(count, x, (x) => tf.add(x, 1)),
    /^loop: outside of jit the count must be a number, or a tensor whose backend is read synchronously/,
  );
  assert.is(tf.getBackend(), before);
  assert.equal(numbers(loop(2, x, (x) => tf.add(x, 1))), [3, 4, 5]);
});

test.run();
