/** The tracing backend: a tfjs KernelBackend whose kernels record graph nodes instead of computing. */
import { fileURLToPath } from "node:url";
import { type Definition, WHOLE } from "../tensor/operations.ts";
import { withoutDraws } from "../tensor/random.ts";
import { currentBackend, type DataType, type Tensor, tf } from "../tensor/tf.ts";
import { type Backend, type BackendValues, IdleBackend } from "./backend.ts";
import { type GraphType, graphData, graphType } from "./element-types.ts";
import { type Attribute, createGraph, type Graph, sameShape, type Value } from "./graph.ts";
import { kernels } from "./kernels/index.ts";
import { constants, outsideNumbers, type TensorInfo, UnreadTensors } from "./outside.ts";

const BACKEND = "ditlab-trace";

/** The trace in progress; there is only ever one, because tracing is synchronous. */
let graph: Graph | undefined;
let values = new WeakMap<object, Value>();
/** Tensors that share a data id: tfjs gives up the data when the last is disposed. */
const references = new WeakMap<object, number>();
/** Tensors from outside that the trace in progress has met, and whose numbers cannot be read at once. */
let unread: TensorInfo[] = [];
/** Set by a failed asynchronous read, whose own rejection the traced function would not see. */
let failure: Error | undefined;

const LIBRARY = new URL("../", import.meta.url);
/** Folders whose lines in a stack are not the user's: this library's own below its models. */
const OWN = ["jit/", "tensor/", "nn/"].flatMap((folder) => {
  const url = new URL(folder, LIBRARY);
  return [url.href, fileURLToPath(url)];
});

/** The first stack line outside tfjs and this library: where the user's function is. */
function callSite(stack = new Error().stack ?? ""): string {
  const foreign = /node_modules|node:|tfjs-(core|backend|layers)|\(<anonymous>\)|\(native\)/;
  const inside = (line: string): boolean => foreign.test(line) || OWN.some((folder) => line.includes(folder));
  const line = stack.split("\n").find((l) => /^\s+at .*:\d+/.test(l) && !inside(l));
  return line ? ` at ${line.trim().replace(/^at /, "")}` : "";
}

function readError(value: Value): Error {
  return new Error(
    `jit: the value of a traced tensor ([${value.shape}] ${value.dtype}) was read${callSite()}; ` +
      "its numbers exist only when the compiled function runs, so return the tensor, or use tf.where instead of a condition",
  );
}

class TraceBackend extends IdleBackend {
  override refCount(): number {
    return 1;
  }
  override incRef(dataId: object): void {
    references.set(dataId, (references.get(dataId) ?? 1) + 1);
  }
  // Graph values live as long as the trace: disposing a tensor forgets a name, not a node.
  override disposeData(dataId: object): boolean {
    const left = (references.get(dataId) ?? 1) - 1;
    references.set(dataId, left);
    return left <= 0;
  }
  override move(dataId: object, data: BackendValues, _shape: number[], dtype: DataType): void {
    const type = graphType(dtype, "a constant");
    constants.set(dataId, graphData(data as ArrayLike<number>, type));
  }
  override readSync(dataId: object): Float32Array | Int32Array | Uint8Array {
    const constant = constants.get(dataId);
    if (constant) return constant as Float32Array;
    const value = values.get(dataId);
    if (!value)
      throw new Error("jit: a tensor of a finished trace was used; return it from the function instead");
    failure ??= readError(value);
    throw failure;
  }
  override read(dataId: object): Promise<Float32Array | Int32Array | Uint8Array> {
    try {
      return Promise.resolve(this.readSync(dataId));
    } catch {
      // `failure` ends the trace; a rejection as well would go unhandled in a function that cannot await.
      return new Promise(() => {});
    }
  }
  override dispose(): void {}
}

function currentGraph(): Graph {
  if (!graph)
    throw new Error("jit: a tensor of a finished trace was used; return tensors from the function instead");
  return graph;
}

/** The graph value of a tensor. One made outside the trace becomes a constant of the graph. */
function symbolOf(info: TensorInfo): Value {
  const { dataId, shape, dtype } = info;
  const known = values.get(dataId);
  // Outside, a tensor that was reshaped or cast without loss shares its data with the original.
  if (known && known.dtype === dtype && sameShape(known.shape, shape)) return known;
  const type = graphType(dtype, "a tensor from outside the traced function");
  const value = currentGraph().constant(outsideNumbers(info, type, unread), shape, type);
  values.set(dataId, value);
  return value;
}

function infoOf(value: Value): TensorInfo {
  const dataId = {};
  values.set(dataId, value);
  return { dataId, shape: value.shape, dtype: value.dtype as DataType };
}

tf.registerBackend(BACKEND, () => new TraceBackend() as unknown as Backend, 0);
for (const [kernelName, kernel] of Object.entries(kernels)) {
  tf.registerKernel({
    kernelName,
    backendName: BACKEND,
    kernelFunc: ({ inputs, attrs }) => {
      const named: Record<string, Value> = {};
      for (const name in inputs)
        if (inputs[name] != null) named[name] = symbolOf(inputs[name] as unknown as TensorInfo);
      const result = kernel(currentGraph(), named, (attrs ?? {}) as Record<string, unknown>);
      // biome-ignore lint/suspicious/noExplicitAny: tfjs's DataId type is opaque and unexported.
      return (Array.isArray(result) ? result.map(infoOf) : infoOf(result)) as any;
    },
  });
}

tf.registerKernel({
  kernelName: WHOLE,
  backendName: BACKEND,
  kernelFunc: ({ inputs, attrs }) => {
    const { name, attributes, definition } = attrs as unknown as {
      name: string;
      attributes: Record<string, Attribute>;
      definition: Definition;
    };
    const given = Object.values(inputs).map((tensor) => symbolOf(tensor as unknown as TensorInfo));
    const results = currentGraph().whole(name, given, attributes, (inner, standIns) =>
      within(inner, () => definition(standIns.map(tensorOf))),
    );
    // biome-ignore lint/suspicious/noExplicitAny: tfjs's DataId type is opaque and unexported.
    return results.map(infoOf) as any;
  },
});

const RANDOM_OPS = /^(random|truncatedNormal|multinomial|dropout)/;

/** Runs `body` with the tfjs engine watched: random operations and unknown kernels fail with an error that names them. */
function guarded<T>(body: () => T): T {
  const engine = tf.engine() as unknown as { startScope: (name?: string) => void };
  const { random } = Math;
  const { getRandomValues } = globalThis.crypto;
  const stackTraceLimit = Error.stackTraceLimit;
  const fail = (what: string): never => {
    throw new Error(
      `jit: ${what} was called inside the traced function${callSite()}; it would be drawn once and frozen, ` +
        "so draw on the host (randomGenerator) and pass the numbers as an argument",
    );
  };
  const startScope = engine.startScope;
  Error.stackTraceLimit = 50; // tfjs's own frames would hide the caller's
  engine.startScope = (name) => {
    if (name && RANDOM_OPS.test(name)) fail(`tf.${name.replace(/_*(__op)?$/, "")}`);
    startScope.call(engine, name);
  };
  Math.random = () => fail("Math.random");
  globalThis.crypto.getRandomValues = () => fail("crypto.getRandomValues");
  try {
    return withoutDraws(() => fail("a random generator"), body);
  } catch (error) {
    const missing = /(?:registered kernel|Kernel) '(\w+)' (?:for|not registered for) backend/.exec(
      String(error),
    );
    if (!missing) throw error;
    const names = Object.keys(kernels).sort().join(", ");
    throw new Error(
      `jit: kernel '${missing[1]}' cannot be traced${callSite((error as Error).stack)}; supported kernels: ${names}`,
    );
  } finally {
    engine.startScope = startScope;
    Math.random = random;
    globalThis.crypto.getRandomValues = getRandomValues;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Throws when a traced function is running: a compiled function cannot be part of another. */
export function refuseWhileTracing(): void {
  if (!graph) return;
  failure ??= new Error(
    `jit: a jit function was called inside a traced function${callSite()}; call the plain function there`,
  );
  throw failure;
}

function tensorOf(value: Value): Tensor {
  const make = tf.engine() as unknown as { makeTensorFromTensorInfo(info: TensorInfo): Tensor };
  return make.makeTensorFromTensorInfo(infoOf(value));
}

const symbol = (tensor: Tensor): Value => symbolOf(tensor as unknown as TensorInfo);

/** Traces into another graph. */
function within(inner: Graph, body: () => Tensor[]): Value[] {
  const outer = graph;
  graph = inner;
  try {
    return body().map(symbol);
  } finally {
    graph = outer;
  }
}

/** The graph's piece for tensors like these, if a function is being traced. */
export function tracePiece(
  like: Tensor[],
  body: (standIns: Tensor[]) => Tensor[],
): ((tensors: Tensor[]) => Tensor[]) | undefined {
  const add = graph?.piece(like.map(symbol), (inner, standIns) =>
    within(inner, () => body(standIns.map(tensorOf))),
  );
  return add && ((tensors) => add(tensors.map(symbol)).map(tensorOf));
}

/** The graph's loop over tensors, if a function is being traced. */
export function traceLoop(
  count: Tensor,
  state: Tensor[],
  body: (index: Tensor, state: Tensor[]) => Tensor[],
): Tensor[] | undefined {
  const results = graph?.loop(symbol(count), state.map(symbol), (inner, index, values) =>
    within(inner, () => body(tensorOf(index), values.map(tensorOf))),
  );
  return results?.map(tensorOf);
}

/**
 * Runs `body` once on symbolic tensors.
 * `body` gets a maker of input tensors and a reader of result tensors, and returns what the trace should carry out.
 * @throws UnreadTensors when tensors from outside have to be read first.
 */
export function trace<T>(
  body: (input: (name: string, like: Tensor) => Tensor, symbolOfTensor: (tensor: Tensor) => Value) => T,
): { graph: Graph; result: T } {
  refuseWhileTracing();
  const previous = currentBackend();
  const engine = tf.engine();
  const current = createGraph();
  graph = current;
  failure = undefined;
  unread = [];
  values = new WeakMap();
  tf.setBackend(BACKEND);
  engine.startScope("jit");
  try {
    const makeInput = (name: string, like: Tensor): Tensor => {
      const type: GraphType = graphType(like.dtype, `input '${name}'`);
      return tensorOf(current.input(name, like.shape.slice(), type));
    };
    const readValue = (tensor: Tensor): Value => {
      const value = values.get(tensor.dataId);
      if (value) return value;
      // A tensor made outside the trace: it depends on no input.
      return {
        name: "",
        shape: tensor.shape,
        dtype: graphType(tensor.dtype, "an output"),
        data: new Float32Array(0),
      };
    };
    const result = guarded(() => body(makeInput, readValue));
    if (failure) throw failure;
    if (unread.length > 0) throw new UnreadTensors(unread);
    return { graph: current, result };
  } catch (error) {
    // A failure may come of the zeros that stand for what was not read.
    if (unread.length === 0 || error === failure || error instanceof UnreadTensors) throw error;
    throw new UnreadTensors(unread);
  } finally {
    engine.endScope();
    tf.setBackend(previous);
    graph = undefined;
  }
}
