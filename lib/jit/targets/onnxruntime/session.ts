/**
 * Sessions of onnxruntime through its C API. The binding of the package `onnxruntime-node` runs on the main thread and copies
 * every output, also one that was given memory; here a run happens on a thread of its own, and writes into the arrays that it is
 * given, which may be those that it reads.
 */
import koffi from "koffi";
import { type GraphData, type GraphType, ONNX_TYPE } from "../../element-types.ts";
import { called, check, cStrings, FATAL_ONLY, get, load, type Native, type Pointer } from "./api.ts";

/** An array under the name of a graph's input or output. */
export interface Binding {
  readonly name: string;
  readonly data: GraphData;
  readonly shape: readonly number[];
  readonly dtype: GraphType;
}

/** An output that the runtime made. */
export interface Output {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export interface SessionOptions {
  /** Threads that one operator may use. */
  readonly threads: number;
  /** Writes a trace of every node that runs to a file whose name begins so. */
  readonly profile?: string;
}

/** What happens to a model's graph before it is compiled. */
export interface Optimization {
  /** Names of optimizers to leave out; null where the model has been through all of them. */
  readonly without: readonly string[] | null;
  /** Writes the optimized model, in onnxruntime's own format, to this file. */
  readonly save?: string;
}

export interface Session {
  /** Reads `inputs` and writes `outputs`; the arrays must not be touched before it is done. */
  run(inputs: readonly Binding[], outputs: readonly Binding[]): Promise<void>;
  /** The same with one output of float32, whose shape nobody knows before. */
  runFor(inputs: readonly Binding[], output: string): Promise<Output>;
  /** Ends the profile and returns its file. */
  endProfile(): string;
  /** No run may be under way. */
  release(): void;
}

const NO_OPTIMIZATIONS = 0;
const ALL_OPTIMIZATIONS = 99;

/** Compiles a model. */
export async function createSession(
  model: Uint8Array,
  options: SessionOptions,
  { without, save }: Optimization,
): Promise<Session> {
  const { native, environment, memory, allocator } = load();
  const settings = get(native, "CreateSessionOptions");
  let session: Pointer;
  try {
    const configure = (key: string, value: string): void =>
      check(native, native.AddSessionConfigEntry(settings, key, value), key);
    const level = without ? ALL_OPTIMIZATIONS : NO_OPTIMIZATIONS;
    check(native, native.SetSessionGraphOptimizationLevel(settings, level), "optimization level");
    if (without) configure("optimization.disable_specified_optimizers", without.join(";"));
    if (save) {
      configure("session.save_model_format", "ORT");
      check(native, native.SetOptimizedModelFilePath(settings, save), save);
    }
    check(native, native.SetIntraOpNumThreads(settings, options.threads), `${options.threads} threads`);
    // A plan of all memory, made in the first run, would stand beside what that run has taken: twice the memory.
    check(native, native.DisableMemPattern(settings), "memory pattern");
    check(native, native.SetInterOpNumThreads(settings, 1), "threads between operators");
    check(native, native.SetSessionLogSeverityLevel(settings, FATAL_ONLY), "log level");
    if (options.profile) check(native, native.EnableProfiling(settings, options.profile), "profile");
    const made = new BigUint64Array(1);
    const status = await called(native.CreateSessionFromArray, [
      environment,
      model,
      model.byteLength,
      settings,
      made,
    ]);
    check(native, status, "this graph cannot be compiled");
    session = made[0];
  } finally {
    native.ReleaseSessionOptions(settings);
  }

  const tensorOf = ({ data, shape, dtype }: Binding): Pointer =>
    get(
      native,
      "CreateTensorWithDataAsOrtValue",
      memory,
      data,
      data.byteLength,
      BigInt64Array.from(shape, BigInt),
      shape.length,
      ONNX_TYPE[dtype],
    );

  /** Runs it; of outputs whose value is 0 the runtime makes one. */
  async function run(
    inputs: readonly Binding[],
    outputs: readonly Pick<Binding, "name">[],
    results: BigUint64Array,
  ): Promise<void> {
    const names = [inputs, outputs].map((bindings) => cStrings(bindings.map(({ name }) => name)));
    const values = BigUint64Array.from(inputs, tensorOf);
    const counts = [inputs.length, outputs.length];
    try {
      const args = [
        session,
        null,
        names[0].pointers,
        values,
        counts[0],
        names[1].pointers,
        counts[1],
        results,
      ];
      const status = await called(native.Run, args, names, inputs, outputs);
      check(native, status, "the run failed");
    } finally {
      for (const pointer of values) native.ReleaseValue(pointer);
    }
  }

  return {
    async run(inputs, outputs) {
      const results = BigUint64Array.from(outputs, tensorOf);
      try {
        await run(inputs, outputs, results);
      } finally {
        for (const pointer of results) native.ReleaseValue(pointer);
      }
    },
    async runFor(inputs, name) {
      const results = new BigUint64Array(1);
      try {
        await run(inputs, [{ name }], results);
        return outputOf(native, results[0], name);
      } finally {
        if (results[0]) native.ReleaseValue(results[0]);
      }
    },
    endProfile() {
      const name = get(native, "SessionEndProfiling", session, allocator);
      const file = koffi.decode.string(name);
      check(native, native.AllocatorFree(allocator, name), "AllocatorFree");
      return file;
    },
    release: () => native.ReleaseSession(session) as unknown as undefined,
  };
}

/** A copy of a value that the runtime made. */
function outputOf(native: Native, value: Pointer, name: string): Output {
  const info = get(native, "GetTensorTypeAndShape", value);
  try {
    const type = new Int32Array(1);
    check(native, native.GetTensorElementType(info, type), name);
    if (type[0] !== ONNX_TYPE.float32)
      throw new Error(`onnxruntime: ${name} is of ONNX's type ${type[0]}; expected float32`);
    const dims = new BigInt64Array(Number(get(native, "GetDimensionsCount", info)));
    check(native, native.GetDimensions(info, dims, dims.length), name);
    const shape = [...dims].map(Number);
    const bytes = shape.reduce((product, d) => product * d, 4);
    const data = koffi.view(get(native, "GetTensorMutableData", value), bytes);
    return { shape, data: new Float32Array(data.slice(0)) };
  } finally {
    native.ReleaseTensorTypeAndShapeInfo(info);
  }
}
