/**
 * The eager backend that the npm package holds, on the addon that `ditlab setup tensorflow` has compiled. Of the package
 * only the kernels and the backend are loaded, with ditlab's own tfjs in place of the one that it would bring along: what
 * they register is what ditlab's tensors run on.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import util from "node:util";
import { compileFunction } from "node:vm";
import koffi from "koffi";
import { tf } from "../../tensor/tf.ts";
import { mendKernels } from "./kernels.ts";
import type { Setup } from "./record.ts";

export const BACKEND = "tensorflow";
/** As the package registers it. */
const PRIORITY = 3;

const require = createRequire(import.meta.url);

/** What stands in place of modules that its files ask for; all others are Node's own. */
const INSTEAD: Readonly<Record<string, unknown>> = {
  "@tensorflow/tfjs": tf,
  "@tensorflow/tfjs-core": tf,
  // Node 23 removed one of the helpers that it calls, and the other is to go.
  util: {
    ...util,
    isArray: Array.isArray,
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
  },
  // Messages of TensorBoard's, which would need a package more.
  "./proto/api_pb": {},
};

interface Module {
  exports: Record<string, unknown>;
}

/** A function that loads files of a folder, each once. */
function loader(): (file: string) => Module["exports"] {
  const modules = new Map<string, Module>();
  const load = (file: string): Module["exports"] => {
    const known = modules.get(file);
    if (known) return known.exports;
    const module: Module = { exports: {} };
    modules.set(file, module);
    const names = {
      module,
      exports: module.exports,
      require: (name: string) => {
        if (name in INSTEAD) return INSTEAD[name];
        return name.startsWith(".") ? load(`${resolve(dirname(file), name)}.js`) : require(`node:${name}`);
      },
    };
    compileFunction(readFileSync(file, "utf8"), Object.keys(names), { filename: file })(
      ...Object.values(names),
    );
    return module.exports;
  };
  return load;
}

/** What is used of it. */
interface NodeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly tensorMap: { get(dataId: object): unknown };
  readSync(dataId: object): unknown;
}
type NodeBackendClass = new (binding: object, packageName: string) => NodeBackend;

/** What TensorFlow's library goes by as it is loaded, unless it is set already. */
const ENVIRONMENT = {
  // Or it takes all of a GPU's memory at once.
  TF_FORCE_GPU_ALLOW_GROWTH: "true",
  // Errors alone: it has a paragraph to say about each machine.
  TF_CPP_MIN_LOG_LEVEL: "2",
};

const isRegistered = (): boolean =>
  BACKEND in (tf.engine() as unknown as { registryFactory: object }).registryFactory;

/**
 * Loads a library without its words on the processor, which it writes to the error output before it looks at its
 * environment. Whoever wants to hear them sets TF_CPP_MIN_LOG_LEVEL to 0.
 */
function quietly<T>(load: () => T): T {
  if (process.env.TF_CPP_MIN_LOG_LEVEL === "0") return load();
  const c = koffi.load("libc.so.6");
  const [dup, dup2] = [c.func("int dup(int)"), c.func("int dup2(int, int)")];
  const [errors, nowhere] = [dup(2), openSync("/dev/null", "w")];
  dup2(nowhere, 2);
  try {
    return load();
  } finally {
    dup2(errors, 2);
    closeSync(errors);
    closeSync(nowhere);
  }
}

/** Registers the backend `tensorflow`, once; one that is there, as another's import has made it, stays. */
export function registerTensorFlow(setup: Setup): void {
  if (isRegistered()) return;
  for (const [name, value] of Object.entries(ENVIRONMENT)) process.env[name] ??= value;
  // First: where it cannot be loaded, no kernels are left behind.
  const binding = quietly(() => require(setup.addon) as object);
  const load = loader();
  load(resolve(setup.package, "dist/register_all_kernels.js"));
  const { NodeJSKernelBackend } = load(resolve(setup.package, "dist/nodejs_kernel_backend.js"));
  mendKernels();
  const name = `@tensorflow/tfjs-node${setup.hasCuda ? "-gpu" : ""}`;
  const backend = new (NodeJSKernelBackend as NodeBackendClass)(binding, name);
  // A kernel that reads indices refuses those of another backend, or of a compiled function, before tfjs can move them.
  const { readSync } = backend;
  backend.readSync = (dataId) => {
    backend.tensorMap.get(dataId);
    return readSync.call(backend, dataId);
  };
  tf.registerBackend(BACKEND, () => backend as unknown as InstanceType<typeof tf.KernelBackend>, PRIORITY);
}

/** What computes, once the backend is registered. */
export function runtimeOf({ version }: Setup): string {
  const { isUsingGpuDevice } = tf.findBackend(BACKEND) as unknown as NodeBackend;
  return `TensorFlow ${version} on ${isUsingGpuDevice ? "a GPU (CUDA)" : "the processor"}`;
}
