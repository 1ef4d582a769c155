/**
 * What is tried on a device, in a process of its own (`trial-child.js`): small functions with known results, and how fast
 * it multiplies. The process prints what it has found so far, a line of JSON each, since a driver may end it.
 */
import { arch, cpus, totalmem } from "node:os";
import { defaultThreads, jit } from "../jit/jit.ts";
import { runtimeVersion } from "../jit/targets/onnxruntime/api.ts";
import { openDevice } from "../jit/targets/webgpu/device.ts";
import { nameOf } from "../jit/targets/webgpu/gpu.ts";
import { type Tensor, tf, valueAndGrad } from "../tensor/index.ts";
import { cudaHardware, cudaRuntime } from "./cuda/hardware.ts";
import { openCuda } from "./cuda/open.ts";
import { useEager } from "./eager.ts";
import type { Findings, Hardware, Outcome } from "./findings.ts";
import { type Device, eagerOf, TARGET_OF } from "./names.ts";
import { runtimeOf } from "./tensorflow/load.ts";
import { readSetup } from "./tensorflow/record.ts";

const FEATURES = ["shader-f16", "subgroups", "timestamp-query"];

/** What a device is made of; opens a GPU. @throws where there is none */
export async function hardwareOf(device: Device): Promise<Hardware> {
  if (device === "cuda") return cudaHardware(await openCuda(false));
  if (device !== "webgpu")
    return {
      name: cpus()[0]?.model.trim() || arch(),
      isSoftware: false,
      threads: defaultThreads(),
      memory: totalmem(),
    };
  const { info, isSoftware, gpu, features, matrices } = await openDevice();
  return {
    name: nameOf(info),
    isSoftware,
    driver: info.description || info.vendor,
    memory: gpu.limits.maxBufferSize,
    features: [
      ...FEATURES.filter((name) => features.has(name)),
      // What mixed precision computes products by.
      ...matrices.map(({ M, N, K }) => `matrices-f16-${M}x${N}x${K}`),
    ],
  };
}

/** The sum of squares of a product, and its gradient: a product, a reduction, and both backwards. */
const squares = valueAndGrad(({ w }: { w: Tensor }, x: Tensor): Tensor => tf.sum(tf.square(tf.matMul(x, w))));

/** @throws saying what came in place of what was expected */
async function checkResults(run: (w: Tensor, x: Tensor) => Promise<[Tensor, Tensor]>): Promise<void> {
  const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
  const w = tf.tensor2d([1, -1, 0, 2, 1, 1], [3, 2]);
  const results = await run(w, x);
  const got = (await Promise.all(results.map((tensor) => tensor.data()))).flatMap((data) => [...data]);
  tf.dispose([x, w, results]);
  const expected = [296, 88, 108, 116, 144, 144, 180];
  if (got.some((value, i) => value !== expected[i]) || got.length !== expected.length)
    throw new Error(`it computed ${got.join(", ")}, expected ${expected.join(", ")}`);
}

/** Sides of the square matrices that are multiplied. */
const SIDES = [256, 512, 1024, 2048];
/** Seconds that the measurement of one takes at least, and that one product may take. */
const SECONDS = 0.2;
const LONGEST = 0.05;

/** Measures products, of larger matrices as long as they take no time. */
async function measure(multiply: (a: Tensor, b: Tensor) => Promise<[Tensor, Tensor]>): Promise<number> {
  let best = 0;
  for (const side of SIDES) {
    const [a, b] = [tf.randomUniform([side, side]), tf.randomUniform([side, side])];
    const timed = async (times: number): Promise<number> => {
      const start = performance.now();
      let last: [Tensor, Tensor] | undefined;
      for (let i = 0; i < times; i++) {
        tf.dispose(last ?? []);
        last = await multiply(a, b);
      }
      // Its numbers are there when all work before is done.
      await last![1].data();
      tf.dispose(last!);
      return (performance.now() - start) / 1000;
    };
    await timed(1);
    const once = await timed(1);
    const times = Math.max(1, Math.min(50, Math.floor(SECONDS / 4 / once)));
    let [spent, fastest] = [0, Number.POSITIVE_INFINITY];
    while (spent < SECONDS) {
      const seconds = await timed(times);
      spent += seconds;
      // What else runs on the machine slows it down, and nothing speeds it up.
      fastest = Math.min(fastest, seconds / times);
    }
    tf.dispose([a, b]);
    best = Math.max(best, (2 * side ** 3) / fastest / 1e9);
    // The next one takes eight times as long.
    if (8 * fastest > LONGEST) break;
  }
  return best;
}

const product = (a: Tensor, b: Tensor): [Tensor, Tensor] =>
  tf.tidy(() => {
    const all = tf.matMul(a, b) as Tensor;
    return [all, tf.slice(all, [0, 0], [1, 1]) as Tensor];
  });

async function outcomeOf(run: () => Promise<number>): Promise<Outcome> {
  try {
    return { gflops: await run() };
  } catch (error) {
    return { error: (error as Error).message.split("\n")[0] };
  }
}

/**
 * Tries a device in this process.
 * @param report is called with what is known, ever more
 * @param allowSoftware whether a GPU that a processor plays is tried at all
 */
export async function tryDevice(
  device: Device,
  report: (findings: Findings) => void,
  allowSoftware = true,
): Promise<void> {
  const target = TARGET_OF[device];
  const findings: Findings = {};
  findings.hardware = await hardwareOf(device);
  report(findings);
  if (findings.hardware.isSoftware && !allowSoftware) return;
  if (device === "cuda") Object.assign(findings, cudaRuntime(await openCuda()));
  // Compiled functions of `wasm` and `tensorflow` are those of `cpu`.
  if (device === target) {
    findings.compiled = await outcomeOf(async () => {
      if (target === "cpu") findings.runtime = `onnxruntime ${runtimeVersion()}`;
      const [check, multiply] = [jit(squares, { target }), jit(product, { target, cache: false })];
      await checkResults(async (w, x) => {
        const { value, gradient } = await check({ w }, x);
        // An eager operation takes what lies on a GPU.
        if (device === "cuda") await useEager(device);
        return [device === "cuda" ? (tf.mul(value, 1) as Tensor) : value, gradient.w];
      });
      return measure(multiply);
    });
    report(findings);
  }
  // Eager operations of `cuda` are those of `cpu`.
  if (eagerOf(device) !== device) return;
  findings.eager = await outcomeOf(async () => {
    await useEager(device);
    if (device === "tensorflow") findings.runtime = runtimeOf(readSetup()!);
    await checkResults(async (w, x) => {
      const { value, gradient } = squares({ w }, x);
      return [value, gradient.w];
    });
    return measure(async (a, b) => product(a, b));
  });
  report(findings);
}
