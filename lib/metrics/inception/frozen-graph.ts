/**
 * The FID network's weights in TensorFlow's frozen graph of 2015, `classify_image_graph_def.pb`, which ADM's evaluation
 * runs. Only its constants are taken: the network is the same.
 */
import protobuf from "protobufjs/light.js";
import { readBytes } from "../../io/index.ts";
import { type InceptionArrays, inceptionShapes, LAYERS } from "./layers.ts";

const repeated = (type: string, id: number) => ({ rule: "repeated", type, id });
/** A map's field, whose key protobufjs' type of a field lacks. */
const map = (keyType: string, type: string, id: number): protobuf.IField =>
  ({ keyType, type, id }) as protobuf.IMapField;
const single = (type: string, id: number) => ({ type, id });

/** What is read of TensorFlow's graph.proto, node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto. */
const root = protobuf.Root.fromJSON({
  nested: {
    Dim: { fields: { size: single("int64", 1) } },
    Shape: { fields: { dim: repeated("Dim", 2) } },
    Tensor: {
      fields: {
        dtype: single("int32", 1),
        tensorShape: single("Shape", 2),
        tensorContent: single("bytes", 4),
        floatVal: { ...repeated("float", 5), options: { packed: true } },
      },
    },
    AttrValue: { fields: { b: single("bool", 5), tensor: single("Tensor", 8) } },
    Node: {
      fields: {
        name: single("string", 1),
        op: single("string", 2),
        attr: map("string", "AttrValue", 5),
      },
    },
    Graph: { fields: { node: repeated("Node", 1) } },
  },
});
/** A graph's message type: `GraphDef`. */
export const graphDef = root.lookupType("Graph");

interface GraphTensor {
  dtype: number;
  tensorShape?: { dim: { size: number | { toNumber(): number } }[] };
  tensorContent?: Uint8Array;
  floatVal?: number[];
}

const FLOAT = 1;
const STEM = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"];
const BLOCKS = ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"].map(
  (name) => `Mixed_${name}`,
);

const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

/** The graph's scope of a layer: Mixed_5b.branch5x5_2 is mixed/tower/conv_1. */
export function scopeOf(name: string): string {
  if (STEM.includes(name)) return numbered("conv", STEM.indexOf(name));
  const [block, branch] = name.split(".");
  const mixed = numbered("mixed", BLOCKS.indexOf(block));
  const [, kind, index, part] = /^branch(\w+)_(\d)([ab])?$/.exec(branch) ?? [];
  if (branch === "branch_pool") return `${mixed}/tower_2/conv`;
  if (kind === undefined) return `${mixed}/conv`;
  // Towers are numbered by their place, and Mixed_6a has one alone.
  const second = kind === "7x7x3" || (kind.endsWith("dbl") && block !== "Mixed_6a");
  const tower = `${mixed}/${numbered("tower", second ? 1 : 0)}`;
  if (part) return `${tower}/mixed/${numbered("conv", part === "a" ? 0 : 1)}`;
  return `${tower}/${numbered("conv", Number(index) - 1)}`;
}

/** `[outer, inner]` as `[inner, outer]`. */
function transposed(values: Float32Array, inner: number): Float32Array {
  const outer = values.length / inner;
  const result = new Float32Array(values.length);
  for (let i = 0; i < outer; i++)
    for (let j = 0; j < inner; j++) result[j * outer + i] = values[i * inner + j];
  return result;
}

/**
 * Reads a frozen graph's constants by torchvision's names.
 * @throws naming the file when it is no graph, and the constants that it lacks or that have other shapes.
 */
export async function readFrozenGraph(path: string): Promise<InceptionArrays> {
  const bytes = await readBytes(path);
  let nodes: { name: string; attr: Record<string, { b?: boolean; tensor?: GraphTensor }> }[];
  try {
    ({ node: nodes } = graphDef.decode(bytes) as unknown as { node: typeof nodes });
  } catch (error) {
    throw new Error(`${path} is not a TensorFlow graph: ${(error as Error).message}`, { cause: error });
  }
  const constants = new Map(nodes.map(({ name, attr }) => [name, attr.value?.tensor]));
  // Norms that are told to leave their gamma out.
  const unscaled = new Set(
    nodes.filter(({ attr }) => attr.scale_after_normalization?.b === false).map(({ name }) => name),
  );
  const problems: string[] = [];
  const read = (name: string, shape: number[]): Float32Array => {
    const tensor = constants.get(name);
    const got = tensor?.tensorShape?.dim.map(({ size }) => Number(size)) ?? [];
    const values = tensor && numbersOf(tensor, got);
    if (values && got.join() === shape.join()) return values;
    problems.push(tensor ? `${name} is [${got.join(", ")}], expected [${shape.join(", ")}]` : `no ${name}`);
    return new Float32Array(0);
  };
  const arrays: InceptionArrays = {};
  for (const { name, in: input, out, kernel } of LAYERS) {
    const scope = scopeOf(name);
    // [height, width, in, out] to [out, in, height, width].
    const filters = transposed(read(`${scope}/conv2d_params`, [...kernel, input, out]), out);
    const area = kernel[0] * kernel[1];
    const weight = new Float32Array(filters.length);
    for (let o = 0; o * area * input < filters.length; o++) {
      const part = filters.subarray(o * area * input, (o + 1) * area * input);
      weight.set(transposed(part, input), o * area * input);
    }
    arrays[`${name}.conv.weight`] = weight;
    const norm = `${scope}/batchnorm`;
    arrays[`${name}.bn.weight`] = unscaled.has(norm)
      ? new Float32Array(out).fill(1)
      : read(`${norm}/gamma`, [out]);
    arrays[`${name}.bn.bias`] = read(`${norm}/beta`, [out]);
    arrays[`${name}.bn.running_mean`] = read(`${norm}/moving_mean`, [out]);
    arrays[`${name}.bn.running_var`] = read(`${norm}/moving_variance`, [out]);
  }
  const [classes, features] = inceptionShapes()["fc.weight"];
  arrays["fc.weight"] = transposed(read("softmax/weights", [features, classes]), classes);
  arrays["fc.bias"] = read("softmax/biases", [classes]);
  if (problems.length > 0)
    throw new Error(
      `${path} is not the Inception graph of 2015: ${problems.slice(0, 5).join("; ")}${problems.length > 5 ? `; and ${problems.length - 5} more` : ""}`,
    );
  return arrays;
}

/** The numbers of a float tensor: its bytes, or values of which one may stand for all; none where they do not fit. */
function numbersOf(
  { dtype, tensorContent, floatVal = [] }: GraphTensor,
  shape: number[],
): Float32Array | undefined {
  const size = shape.reduce((product, n) => product * n, 1);
  if (dtype !== FLOAT) return undefined;
  if (tensorContent?.length)
    return tensorContent.length === size * 4 ? new Float32Array(tensorContent.slice().buffer) : undefined;
  if (floatVal.length === 1 && Number.isSafeInteger(size) && size <= 2 ** 24)
    return new Float32Array(size).fill(floatVal[0]);
  return floatVal.length === size ? Float32Array.from(floatVal) : undefined;
}
