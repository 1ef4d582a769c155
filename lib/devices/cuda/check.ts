/**
 * Tries CUDA's libraries in a process of its own, which one that does not fit may end: NVRTC compiles a kernel, which needs
 * no GPU, and cuBLASLt tells its version; with a GPU a small product is computed. Argument: the record's file. Prints what
 * there is, as a line of JSON.
 */
import { delimiter, dirname } from "node:path";
import koffi from "koffi";
import { jit } from "../../jit/index.ts";
import { NoDriverError } from "../../jit/targets/cuda/driver.ts";
import { type Manifest, readManifest } from "../../jit/targets/cuda/manifest.ts";
import { compilerIn } from "../../jit/targets/cuda/nvrtc.ts";
import { type Tensor, tf } from "../../tensor/index.ts";
import { productsVersion } from "./hardware.ts";
import { openCuda, Unusable } from "./open.ts";
import { mayHaveCuda } from "./sight.ts";

/** An architecture that both versions of the compiler know. */
const ARCHITECTURE = "sm_80";
const KERNEL = `extern "C" __global__ void add(float *to, const float *from, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) to[i] += from[i];
}`;

/** What the libraries say of themselves. @throws naming a file that does not load, or does not compile */
async function libraries({ libraries: { nvrtc, cublasLt } }: Manifest): Promise<string> {
  const of = <T>(file: string, body: () => T): T => {
    try {
      return body();
    } catch (error) {
      throw new Error(`${file} cannot be loaded: ${(error as Error).message.split("\n")[0]}`);
    }
  };
  const compiler = of(nvrtc!.file, () => compilerIn(nvrtc!.file));
  const { code } = await compiler.compile(KERNEL, ARCHITECTURE);
  if (code.length === 0) throw new Error(`${nvrtc!.file} compiled a kernel for ${ARCHITECTURE} to nothing`);
  if (!cublasLt) return `NVRTC ${compiler.version}`;
  const version = of(cublasLt.file, () =>
    koffi.load(cublasLt.file).func("cublasLtGetVersion", "size_t", [])(),
  );
  return `NVRTC ${compiler.version}, cuBLASLt ${productsVersion(Number(version))}`;
}

/** Computes a product where there is a GPU. @returns on which */
async function onDevice({ libraries }: Manifest): Promise<string | undefined> {
  if (!mayHaveCuda()) return undefined;
  // Before all others that might be found.
  const folders = Object.values(libraries).map(({ file }) => dirname(file));
  process.env.DITLAB_CUDA_PATH = [...folders, process.env.DITLAB_CUDA_PATH].filter(Boolean).join(delimiter);
  try {
    const { name } = await openCuda();
    const product = jit((a: Tensor, b: Tensor) => tf.matMul(a, b) as Tensor, {
      target: "cuda",
      cache: false,
    });
    const got = [...(await (await product(tf.tensor2d([[1, 2, 3]]), tf.ones([3, 2]))).data())];
    if (got.join() !== "6,6")
      throw new Error(`a product on the ${name} came to ${got.join(", ")}, expected 6, 6`);
    return name;
  } catch (error) {
    const { cause } = ((error as Error).cause ?? {}) as Error;
    // The libraries are good for a GPU that is elsewhere; 'ditlab devices' says what this machine lacks.
    if (error instanceof Unusable && cause instanceof NoDriverError) return undefined;
    throw error;
  }
}

const say = (outcome: object): Promise<void> =>
  new Promise((done) => void process.stdout.write(`${JSON.stringify(outcome)}\n`, () => done()));
try {
  const manifest = readManifest(process.argv[2]);
  if (!manifest) throw new Error(`there is no ${process.argv[2]}`);
  const found = await libraries(manifest);
  const name = await onDevice(manifest);
  const where =
    name === undefined ? "which compile; no GPU is here to run on" : `with a right product on ${name}`;
  await say({ runtime: `${found}, ${where}` });
} catch (error) {
  await say({ error: (error as Error).message });
}
// The driver's threads would keep it.
process.exit(0);
