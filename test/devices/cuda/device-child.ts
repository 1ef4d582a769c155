/** A process on the device `cuda`, which a processor plays: does what its argument names, and prints what came of it. */
import { createHash } from "node:crypto";
import { useDevice } from "../../../lib/devices/index.ts";
import { remember } from "../../../lib/devices/trials.ts";
import { jit } from "../../../lib/jit/index.ts";
import { flattenTree, type Tensor, tf, valueAndGrad } from "../../../lib/tensor/index.ts";
import { training } from "../../../lib/train/index.ts";
import { buildStandIns, report } from "../../jit/cuda/standin/build.ts";
import { smallConfig, smallImages } from "../../train/small.ts";

const [, , what, folder] = process.argv;
const standIns = (await buildStandIns())!;
const messageOf = async (body: () => unknown): Promise<string> => {
  try {
    await body();
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing was wrong";
};
const double = jit((x: Tensor) => tf.mul(x, 2) as Tensor);

const actions: Record<string, () => Promise<object>> = {
  async eager() {
    const name = await useDevice("cuda");
    const y = await double(tf.tensor1d([1, 2]));
    const read = [...y.dataSync()];
    const eager = [...(tf.add(y, 1) as Tensor).dataSync()];
    const isLarger = await jit((x: Tensor) => tf.greater(x, 3) as Tensor)(y);
    const back = [...(await (await double(tf.add(y, 1) as Tensor)).data())];
    const rounds = await jit((x: Tensor) => tf.cast(x, "int32") as Tensor)(y);
    return {
      ...{ name, backend: tf.getBackend(), read, eager, back },
      ...{ text: isLarger.toString(), bools: [...isLarger.dataSync()], whole: [...rounds.dataSync()] },
    };
  },
  // The stand-in's next kernel but some ends the context.
  async lost() {
    await useDevice("cuda");
    const y = await double(tf.tensor1d([1, 2]));
    const call = await messageOf(async () => {
      for (let i = 0; i < 20; i++) await (await double(tf.tensor1d([1, 2]))).data();
    });
    delete process.env.DITLAB_STANDIN_FAIL;
    const [sync, eager] = [await messageOf(() => y.dataSync()), await messageOf(() => tf.add(y, 1))];
    return { call, sync, eager, again: [...(await double(tf.tensor1d([3]))).dataSync()] };
  },
  async memory() {
    await useDevice("cuda");
    const grow = jit((x: Tensor, times: number) => tf.tile(x, [times]) as Tensor);
    const x = tf.ones([1 << 20]);
    const held = await grow(x, 4);
    const before = report(standIns).bytes;
    const messages: string[] = [];
    for (let i = 0; i < 3; i++) messages.push(await messageOf(() => grow(x, 32)));
    const [sum] = await (await jit((x: Tensor) => tf.sum(x) as Tensor)(held)).data();
    held.dispose();
    return { messages, sum, grown: report(standIns).bytes - before };
  },
  async steps() {
    await useDevice("cuda");
    const loss = (w: Tensor, x: Tensor): Tensor => tf.sum(tf.square(tf.matMul(x, w))) as Tensor;
    const step = jit(
      ({ w, m }: { w: Tensor; m: Tensor }, x: Tensor) => {
        const { value, gradient } = valueAndGrad(loss)(w, x);
        const moved = tf.add(tf.mul(m, 0.9), gradient);
        return { state: { w: tf.sub(w, tf.mul(moved, 1e-4)) as Tensor, m: moved as Tensor }, value };
      },
      { donate: [0] },
    );
    let state = { w: tf.ones([24, 20]) as Tensor, m: tf.zeros([24, 20]) as Tensor };
    const x = tf.ones([40, 24]);
    const seen: object[] = [];
    for (let i = 0; i < 300; i++) {
      const result = await step(state, x);
      ({ state } = result);
      await result.value.data();
      result.value.dispose();
      if (i % 100 !== 99 && i !== 9) continue;
      const { bytes, allocations, events, graphs, executables, modules, hostBytes, hostAllocations } =
        report(standIns);
      seen.push({ bytes, allocations, events, graphs, executables, modules, hostBytes, hostAllocations });
    }
    return { seen, faults: report(standIns).faults };
  },
  async train() {
    await useDevice("cuda");
    const warnings: string[] = [];
    const steps: number[] = [];
    const onWarning = (message: string): void => {
      warnings.push(message);
      delete process.env.DITLAB_STANDIN_FAIL;
    };
    const run = training(
      smallConfig({ checkpointEvery: 4 }),
      smallImages(),
      folder ? { folder, onWarning } : {},
    );
    const message = await messageOf(async () => {
      for await (const { step } of run) steps.push(step);
    });
    const { launches, nodesReplayed, faults } = report(standIns);
    const kernels = launches + nodesReplayed;
    if (message !== "nothing was wrong") return { message, steps };
    const hash = createHash("sha256");
    for (const { tensor } of flattenTree(run.state)) hash.update(await tensor.data());
    return { message, warnings, steps, kernels, faults, state: hash.digest("hex") };
  },
  // What a trial of a GPU would have found.
  async auto() {
    const hardware = { name: "NVIDIA Stand-in", isSoftware: false, driver: "CUDA 13.0", memory: 1e9 };
    await remember("cpu", { compiled: { gflops: 100 } });
    await remember("cuda", { hardware, compiled: { gflops: Number(process.env.GFLOPS) } });
    return { took: await useDevice("auto") };
  },
};
console.log(JSON.stringify(await actions[what]()));
process.exit(0);
