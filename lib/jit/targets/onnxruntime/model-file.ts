/** Models of others, as ONNX files, which onnxruntime runs as they are. */
import { fingerprint } from "../../../fingerprint.ts";
import { type GraphType, ONNX_TYPE } from "../../element-types.ts";
import { defaultThreads } from "../../jit.ts";
import { decodedGraph, type ValueInfo } from "./onnx.ts";
import { type Binding, createSession, type Output } from "./session.ts";

/** An input or an output; a dimension that changes from run to run has no number. */
export interface Port {
  readonly name: string;
  /** What of the types that are known here it is. */
  readonly dtype: GraphType | undefined;
  readonly shape: readonly (number | undefined)[];
}

/** `pixel_values [any,3,224,224]`. */
export const shown = ({ name, shape }: Port): string => `${name} [${shape.map((d) => d ?? "any")}]`;

export interface OnnxFile {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** What tells it from any other. */
  readonly fingerprint: string;
  /** Runs it with all its inputs, for one of its outputs. */
  run(inputs: readonly Binding[], output: string): Promise<Output>;
  dispose(): void;
}

const TYPES = new Map(Object.entries(ONNX_TYPE).map(([name, number]) => [number, name as GraphType]));

const portOf = ({ name, type }: ValueInfo): Port => ({
  name,
  dtype: TYPES.get(type?.tensorType?.elemType ?? 0),
  // A dimension with a name in place of a number reads as 0.
  shape: (type?.tensorType?.shape?.dim ?? []).map(({ value }) => Number(String(value)) || undefined),
});

/**
 * Opens what an ONNX file holds, of at most 2 GiB, whose weights are in it.
 * @throws naming the file: where it is none, or onnxruntime cannot run it
 */
export async function openOnnxFile(path: string, bytes: Uint8Array): Promise<OnnxFile> {
  const graph = decodedGraph(bytes);
  if (!graph || graph.output.length === 0) throw new Error(`${path} is no ONNX model`);
  const session = await createSession(bytes, { threads: defaultThreads() }, { without: [] }).catch(
    (error: Error) => {
      throw new Error(`${path}: ${error.message}`, { cause: error });
    },
  );
  const given = new Set(graph.initializer.map(({ name }) => name));
  return {
    // Older files name their weights among the inputs.
    inputs: graph.input.filter(({ name }) => !given.has(name)).map(portOf),
    outputs: graph.output.map(portOf),
    fingerprint: fingerprint([bytes], 16),
    run: (inputs, output) =>
      session.runFor(inputs, output).catch((error: Error) => {
        throw new Error(`${path}: ${error.message}`, { cause: error });
      }),
    dispose: () => session.release(),
  };
}
