/** A process with eager tensors and compiled functions on one GPU, which prints a line of JSON for each check. */
import sharp from "sharp";
import * as assert from "uvu/assert";
import { currentDevice, useDevice } from "../../lib/devices/index.ts";
import type { WebGPUBackend } from "../../lib/devices/tfjs-webgpu.ts";
import { imageGrid } from "../../lib/io/index.ts";
import { bufferOf, isOnHost } from "../../lib/jit/buffers.ts";
import { jit, loop } from "../../lib/jit/index.ts";
import { openDevice } from "../../lib/jit/targets/webgpu/device.ts";
import { type Tensor, tf, valueAndGrad } from "../../lib/tensor/index.ts";

const names = Object.getOwnPropertyNames(globalThis).sort();
await useDevice("webgpu");
const device = await openDevice();
// Else tfjs computes on the processor what is small and not on the GPU yet.
tf.env().set("WEBGPU_CPU_FORWARD", false);

/** Memory on the GPU and reads of it, counted where they happen. */
const gpu = { live: 0, reads: 0 };
interface Counted {
  size: number;
  destroy(): void;
  mapAsync(mode: number): Promise<void>;
}
const { prototype } = device.dawn.globals.GPUBuffer as { prototype: Counted };
const { destroy, mapAsync } = prototype;
const gone = new WeakSet<object>();
prototype.destroy = function (this: Counted) {
  if (!gone.has(this)) gpu.live -= this.size;
  gone.add(this);
  destroy.call(this);
};
prototype.mapAsync = function (this: Counted, mode: number) {
  gpu.reads++;
  return mapAsync.call(this, mode);
};
const { createBuffer } = device.gpu;
device.gpu.createBuffer = (options) => {
  gpu.live += options.size;
  return createBuffer.call(device.gpu, options);
};

const backend = () => tf.backend() as unknown as WebGPUBackend;
/** The buffer of a tensor, wherever it is. */
function handleOf(tensor: Tensor): unknown {
  const data = bufferOf(tensor)?.data;
  if (data) return isOnHost(data) ? undefined : data.handle;
  return backend().tensorMap.get(tensor.dataId).resource;
}
const numbers = async (tensor: Tensor): Promise<number[]> => [...(await tensor.data())];
const iota = (count: number, scale = 1): Tensor =>
  tf.tensor1d(Float32Array.from({ length: count }, (_, i) => i * scale));

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const message = await promise.then(
    () => "nothing was thrown",
    (error: Error) => error.message,
  );
  assert.match(message, pattern);
}

const double = jit((x: Tensor) => tf.mul(x, 2) as Tensor, { name: "double" });
const UNREAD = /lies on a GPU, whose numbers come asynchronously; read them with `await tensor\.data\(\)`/;

const checks: Record<string, () => Promise<void>> = {
  "nothing is added to the global object": async () => {
    assert.equal(Object.getOwnPropertyNames(globalThis).sort(), names);
    assert.is(currentDevice(), "webgpu");
    assert.is(tf.getBackend(), "webgpu");
    assert.is(backend().device, device.gpu);
  },
  "a compiled function's result is an eager operand as it lies there": async () => {
    const result = await double(iota(100));
    const handle = handleOf(result);
    const before = gpu.reads;
    const sum = tf.add(result, 1) as Tensor;
    assert.is(bufferOf(result), undefined);
    assert.is(handleOf(result), handle);
    assert.is(gpu.reads, before);
    assert.equal(
      await numbers(sum),
      Array.from({ length: 100 }, (_, i) => 2 * i + 1),
    );
    assert.equal(
      await numbers(result),
      Array.from({ length: 100 }, (_, i) => 2 * i),
    );
  },
  "an eager result is an argument as it lies there": async () => {
    const eager = tf.add(iota(100), 1) as Tensor;
    const before = gpu.reads;
    const result = await double(eager);
    assert.is(gpu.reads, before);
    assert.equal(
      await numbers(result),
      Array.from({ length: 100 }, (_, i) => 2 * i + 2),
    );
    assert.equal((await numbers(eager)).slice(0, 2), [1, 2]);
  },
  "a tensor from the host is brought over once": async () => {
    const constant = iota(100);
    await double(constant);
    const handle = handleOf(constant);
    assert.ok(handle);
    await double(constant);
    assert.is(handleOf(constant), handle);
  },
  "every type goes both ways": async () => {
    const all = jit((x: Tensor, i: Tensor, b: Tensor) => ({
      float: tf.add(x, 0.5) as Tensor,
      int: tf.add(i, tf.scalar(1, "int32")) as Tensor,
      bool: tf.logicalNot(b) as Tensor,
      scalar: tf.sum(x) as Tensor,
    }));
    const x = tf.add(iota(100), 0) as Tensor;
    const i = tf.cast(x, "int32");
    const b = tf.greater(x, 49);
    const { float, int, bool, scalar } = await all(x, i, b);
    assert.equal((await numbers(tf.mul(float, 2) as Tensor)).slice(0, 3), [1, 3, 5]);
    const next = tf.add(int, int) as Tensor;
    assert.is(next.dtype, "int32");
    assert.equal((await numbers(next)).slice(0, 3), [2, 4, 6]);
    const either = tf.logicalOr(bool, b) as Tensor;
    assert.equal([either.dtype, (await numbers(either)).every((value) => value === 1)], ["bool", true]);
    assert.equal(await numbers(tf.add(scalar, 1) as Tensor), [4951]);
    // Other names for the same bits, and for numbers of another kind.
    assert.equal((await numbers(await double(tf.cast(i, "float32")))).slice(0, 3), [0, 2, 4]);
    assert.equal((await numbers(await double(tf.cast(b, "float32")))).slice(48, 52), [0, 0, 2, 2]);
  },
  "tensors that share memory keep it": async () => {
    const result = await double(iota(100));
    const clone = result.clone();
    const eager = tf.add(clone, 1) as Tensor;
    result.dispose();
    tf.dispose(tf.add(iota(100), 5));
    assert.equal((await numbers(clone)).slice(0, 2), [0, 2]);
    clone.dispose();
    assert.equal((await numbers(eager)).slice(0, 2), [1, 3]);
  },
  "what an eager tensor sees is never written over": async () => {
    const step = jit(({ w }: { w: Tensor }) => ({ state: { w: tf.add(w, 1) as Tensor } }), { donate: [0] });
    let { state } = await step({ w: tf.add(iota(100), 0) as Tensor });
    const handle = handleOf(state.w);
    ({ state } = await step(state));
    assert.is(handleOf(state.w), handle);
    const seen = tf.reshape(state.w, [10, 10]) as Tensor;
    ({ state } = await step(state));
    ({ state } = await step(state));
    assert.equal((await numbers(seen)).slice(0, 2), [2, 3]);
    assert.equal((await numbers(state.w)).slice(0, 2), [4, 5]);
    // Arguments that come back, one of them twice.
    const same = jit((a: Tensor, b: Tensor) => ({ a, b, again: a, sum: tf.add(a, b) as Tensor }), {
      donate: [0, 1],
    });
    const first = tf.add(iota(100), 7) as Tensor;
    const kept = first.clone();
    const back = await same(first, kept.clone());
    ({ state } = await step({ w: back.a }));
    assert.equal((await numbers(back.b)).slice(0, 2), [7, 8]);
    assert.equal((await numbers(back.again)).slice(0, 2), [7, 8]);
    assert.equal((await numbers(kept)).slice(0, 2), [7, 8]);
    assert.equal((await numbers(tf.add(state.w, 0) as Tensor)).slice(0, 2), [8, 9]);
  },
  "an argument may be disposed while the call is under way": async () => {
    const fresh = jit((x: Tensor) => tf.sub(tf.mul(x, 3), 1) as Tensor);
    const eager = tf.add(iota(100), 1) as Tensor;
    const call = fresh(eager);
    eager.dispose();
    const others = Array.from({ length: 40 }, () => tf.add(iota(100), 1000));
    assert.equal((await numbers(await call)).slice(0, 3), [2, 5, 8]);
    tf.dispose(others);
    const reading = tf.add(iota(100), 1) as Tensor;
    const data = reading.data();
    reading.dispose();
    assert.is((await data)[3], 4);
  },
  "a call that fails gives its arguments back": async () => {
    const fails = jit((x: Tensor) => {
      if (x.size > 0) throw new Error("on purpose");
      return x;
    });
    const eager = tf.add(iota(100), 1) as Tensor;
    const before = tf.memory().numDataBuffers;
    await rejects(fails(eager), /on purpose/);
    eager.dispose();
    assert.is(tf.memory().numDataBuffers, before - 1);
  },
  "steps whose gradients are compiled and eager by turns are those of the processor": async () => {
    const loss = ({ w }: { w: Tensor }, x: Tensor): Tensor => tf.mean(tf.square(tf.sub(tf.matMul(x, w), 1)));
    const eager = valueAndGrad(loss);
    const descend = async (target: "cpu" | "webgpu"): Promise<number[]> => {
      const compiled = jit(valueAndGrad(loss), { target });
      const x = tf.div(tf.reshape(iota(96), [12, 8]), 50) as Tensor;
      let w = tf.div(tf.reshape(iota(16), [8, 2]), 16) as Tensor;
      for (let i = 0; i < 6; i++) {
        const { gradient } = i % 2 === 0 ? await compiled({ w }, x) : eager({ w }, x);
        w = tf.sub(w, tf.mul(gradient.w, 0.1));
      }
      return numbers(w);
    };
    const actual = await descend("webgpu");
    await useDevice("cpu");
    const expected = await descend("cpu");
    await useDevice("webgpu");
    actual.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]) < 1e-5, `${value}, expected ${expected[i]}`);
    });
  },
  "neither tensors nor memory grow": async () => {
    const step = jit(
      ({ w }: { w: Tensor }, x: Tensor) => ({ state: { w: tf.add(w, x) as Tensor }, y: tf.sum(x) as Tensor }),
      { donate: [0] },
    );
    let state = { w: tf.add(iota(200), 0) as Tensor };
    const [tensors, memory]: [number[], number[]] = [[], []];
    for (let i = 0; i < 200; i++) {
      const x = tf.tidy(() => tf.mul(iota(200), 0.5) as Tensor);
      const result = await step(state, x);
      ({ state } = result);
      const eager = tf.tidy(() => tf.add(tf.square(result.y), state.w) as Tensor);
      const other = await double(eager);
      tf.dispose([x, result.y, eager, other]);
      if (i % 20 === 19) {
        await state.w.data();
        tensors.push(tf.memory().numTensors);
        memory.push(gpu.live);
      }
    }
    tf.dispose(state.w);
    assert.is(new Set(tensors).size, 1, `tensors ${tensors}`);
    assert.ok(memory.at(-1)! <= memory[2], `bytes ${memory}`);
  },
  "a large tensor's memory goes back to the GPU": async () => {
    const few = jit((x: Tensor) => tf.slice(x, 0, 4) as Tensor);
    const large = tf.zeros([18 * 2 ** 20]) as Tensor;
    const before = gpu.live;
    const result = await few(large);
    assert.equal(await numbers(result), [0, 0, 0, 0]);
    assert.ok(gpu.live - before > 70 * 2 ** 20, `${gpu.live - before} bytes`);
    tf.dispose([large, result]);
    await few.dispose();
    assert.ok(gpu.live - before < 2 ** 20, `${gpu.live - before} bytes`);
  },
  "numbers are read asynchronously, and then they are here": async () => {
    const eager = tf.add(iota(100), 1) as Tensor;
    assert.throws(() => eager.dataSync(), UNREAD);
    assert.throws(() => eager.print(), UNREAD);
    await eager.data();
    assert.is(eager.dataSync()[1], 2);
    const result = await double(iota(100));
    assert.throws(() => result.dataSync(), /lies on a GPU, whose numbers come asynchronously/);
    await result.data();
    assert.is(result.dataSync()[1], 2);
  },
  "a tensor shows itself when its numbers have come": async () => {
    const shown = (tensor: Tensor) =>
      (tensor as unknown as Record<symbol, () => Promise<Record<string, string>>>)[
        Symbol.for("Jupyter.display")
      ]();
    for (const tensor of [
      tf.add(iota(4), tf.ones([4])) as Tensor,
      await double(tf.tensor1d([0.5, 1, 1.5, 2])),
    ]) {
      const bundle = await shown(tensor);
      assert.match(
        bundle["text/plain"],
        /^Tensor float32 \[4\] · min 1, mean 2\.500, max 4\n\s+\[1, 2, 3, 4\]$/,
      );
    }
    const image = tf.tidy(() => tf.reshape(tf.sub(iota(4, 0.5), 1), [1, 1, 2, 2]) as Tensor);
    const grid = imageGrid(image);
    image.dispose();
    const { "text/plain": caption, "image/png": png } = await grid[Symbol.for("Jupyter.display")]();
    assert.is(caption, "1 images of 2 x 2 pixels");
    assert.equal(
      [...(await sharp(Buffer.from(png, "base64")).extractChannel(0).raw().toBuffer())].slice(0, 2),
      [0, 64],
    );
    const gone = tf.add(iota(100), 1) as Tensor;
    const later = shown(gone);
    gone.dispose();
    assert.match((await later)["text/plain"], /^Tensor float32 \[100\], disposed$/);
  },
  "kernels that tfjs's backend has wrong are right": async () => {
    const x = tf.reshape(tf.add(iota(64), 0), [2, 2, 2, 2, 2, 2]) as Tensor;
    const padded = tf.pad(x, [
      [0, 0],
      [1, 0],
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 2],
    ]) as Tensor;
    assert.equal(padded.shape, [2, 3, 2, 2, 2, 4]);
    assert.equal((await numbers(padded)).slice(32, 40), [0, 1, 0, 0, 2, 3, 0, 0]);
    const gradient = tf.grad(
      (y: Tensor) => tf.sum(tf.square(tf.slice(y, [0, 0, 0, 0, 0, 1], [2, 2, 2, 2, 2, 1]))) as Tensor,
    )(x);
    assert.equal((await numbers(gradient)).slice(0, 4), [0, 2, 0, 6]);
    const cast = tf.cast(tf.cast(tf.add(tf.reshape(iota(100), [10, 10]), 0), "int32"), "float32");
    assert.equal((await numbers(tf.transpose(cast) as Tensor)).slice(0, 3), [0, 10, 20]);
    const whole = tf.reshape(tf.cast(tf.add(iota(24), 0), "int32"), [2, 3, 4]);
    const turned = tf.transpose(whole, [2, 0, 1]) as Tensor;
    assert.equal([turned.dtype, turned.shape], ["int32", [4, 2, 3]]);
    assert.equal((await numbers(turned)).slice(0, 7), [0, 4, 8, 12, 16, 20, 1]);
    const odd = tf.transpose(tf.cast(tf.mod(whole, 2), "bool"), [2, 0, 1]) as Tensor;
    assert.equal([odd.dtype, ...(await numbers(odd)).slice(4, 8)], ["bool", 0, 0, 1, 1]);
    const before = [tf.memory().numDataBuffers, backend().numDataIds()];
    tf.dispose([tf.transpose(whole, [2, 0, 1]), tf.cast(whole, "float32"), tf.pad(x, Array(6).fill([1, 1]))]);
    assert.equal([tf.memory().numDataBuffers, backend().numDataIds()], before);
  },
  "sines and cosines have seven digits, also far from zero": async () => {
    const angles = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 2);
    const x = tf.add(tf.tensor1d(angles), 0) as Tensor;
    for (const [name, exact] of [
      ["sin", Math.sin],
      ["cos", Math.cos],
    ] as const) {
      const got = await numbers(tf[name](x) as Tensor);
      const worst = Math.max(...got.map((value, i) => Math.abs(value - exact(angles[i]))));
      assert.ok(worst < 3e-7, `${name} ${worst}`);
    }
    const slope = await numbers(tf.grad((y: Tensor) => tf.sin(y) as Tensor)(x));
    assert.ok(slope.every((value, i) => Math.abs(value - Math.cos(angles[i])) < 3e-7));
    assert.ok(Number.isNaN((await numbers(tf.cos(tf.add(tf.fill([70], Number.NaN), 0)) as Tensor))[0]));
  },
  "a loop leaves an eager tensor as it is that was a compiled function's result": async () => {
    const given = await double(iota(3));
    const eager = tf.mul(given, 1) as Tensor;
    const grow = jit((x: Tensor) => loop(3, x, (y) => tf.add(y, x)));
    for (let call = 0; call < 2; call++) {
      assert.equal(await numbers(await grow(given)), [0, 8, 16]);
      assert.equal(await numbers(tf.reshape(given, [3, 1])), [0, 2, 4]);
    }
    assert.equal(await numbers(eager), [0, 2, 4]);
  },
  "what the GPU refuses is told to all who read what may be wrong, and to nobody else": async () => {
    const [eager, compiled] = [tf.add(iota(100), 1) as Tensor, await double(iota(100))];
    device.gpu.createShaderModule({ code: "nonsense" });
    const refused =
      /the GPU refused an operation, and what had been computed by then may be wrong: .*nonsense/s;
    await Promise.all([rejects(eager.data(), refused), rejects(compiled.data(), refused)]);
    await rejects(eager.data(), refused);
    assert.is((await (tf.add(iota(100), 1) as Tensor).data())[0], 1);
    assert.is((await (await double(iota(100))).data())[2], 4);
  },
  "on another device, tensors of the GPU say where they are": async () => {
    const result = await double(iota(100));
    const eager = tf.add(iota(100), 1) as Tensor;
    await useDevice("cpu");
    try {
      assert.throws(() => tf.add(result, 1), /lies on a GPU, .*await useDevice\("webgpu"\)/);
      assert.throws(() => tf.add(eager, 1), UNREAD);
      await result.data();
      assert.is((tf.add(result, 1) as Tensor).dataSync()[1], 3);
      // Compiled for the processor.
      assert.is((await double(eager)).dataSync()[1], 4);
    } finally {
      await useDevice("webgpu");
    }
  },
  "a lost GPU is opened anew, and what lay on it says so": async () => {
    const [result, eager] = [await double(iota(100)), tf.add(iota(100), 1) as Tensor];
    const GONE = /the tensor is gone: the GPU it lay on \(.+\) was lost: /;
    device.gpu.destroy();
    await device.gpu.lost;
    await rejects(result.data(), GONE);
    await rejects(eager.data(), GONE);
    assert.throws(() => eager.dataSync(), GONE);
    await useDevice("webgpu");
    assert.is.not(await openDevice(), device);
    assert.is(backend().device, (await openDevice()).gpu);
    await rejects(double(result), GONE);
    await rejects(double(eager), GONE);
    assert.throws(() => tf.add(eager, 1), GONE);
    const next = tf.add(await double(tf.add(iota(100), 1) as Tensor), 1) as Tensor;
    assert.equal((await numbers(next)).slice(0, 2), [3, 5]);
  },
};

for (const [name, check] of Object.entries(checks)) {
  let error: string | undefined;
  try {
    await check();
  } catch (thrown) {
    error = (thrown as Error).stack;
  }
  console.log(JSON.stringify({ name, error }));
}
