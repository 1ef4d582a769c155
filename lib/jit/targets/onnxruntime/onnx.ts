/** ONNX models as bytes, encoded by protobufjs from the field numbers of the ONNX specification (onnx.proto3). */
import protobuf from "protobufjs/light.js";
import { ONNX_TYPE } from "../../element-types.ts";
import type { Attribute, Body, GraphNode, LiveGraph, Value } from "../../graph.ts";

const repeated = (type: string, id: number) => ({ rule: "repeated", type, id });
const single = (type: string, id: number) => ({ type, id });

const root = protobuf.Root.fromJSON({
  nested: {
    OperatorSet: { fields: { domain: single("string", 1), version: single("int64", 2) } },
    Dimension: { fields: { value: single("int64", 1) } },
    Shape: { fields: { dim: repeated("Dimension", 1) } },
    TensorType: { fields: { elemType: single("int32", 1), shape: single("Shape", 2) } },
    Type: { fields: { tensorType: single("TensorType", 1) } },
    ValueInfo: { fields: { name: single("string", 1), type: single("Type", 2) } },
    Tensor: {
      fields: {
        dims: { ...repeated("int64", 1), options: { packed: true } },
        dataType: single("int32", 2),
        name: single("string", 8),
        rawData: single("bytes", 9),
      },
    },
    Attribute: {
      fields: {
        name: single("string", 1),
        f: { ...single("float", 2) },
        i: single("int64", 3),
        s: single("bytes", 4),
        g: single("Graph", 6),
        ints: { ...repeated("int64", 8), options: { packed: true } },
        type: single("int32", 20),
      },
    },
    Node: {
      fields: {
        input: repeated("string", 1),
        output: repeated("string", 2),
        name: single("string", 3),
        opType: single("string", 4),
        attribute: repeated("Attribute", 5),
        domain: single("string", 7),
      },
    },
    Graph: {
      fields: {
        node: repeated("Node", 1),
        name: single("string", 2),
        initializer: repeated("Tensor", 5),
        input: repeated("ValueInfo", 11),
        output: repeated("ValueInfo", 12),
      },
    },
    Model: {
      fields: {
        irVersion: single("int64", 1),
        producerName: single("string", 2),
        graph: single("Graph", 7),
        opsetImport: repeated("OperatorSet", 8),
      },
    },
  },
});

const model = root.lookupType("Model");

/** What a graph says of an input or an output. */
export interface ValueInfo {
  name: string;
  type?: { tensorType?: { elemType: number; shape?: { dim: { value?: unknown }[] } } };
}

/** How a model in ONNX's bytes is called; nothing where these are no model. */
export function decodedGraph(
  bytes: Uint8Array,
): { initializer: { name: string }[]; input: ValueInfo[]; output: ValueInfo[] } | undefined {
  try {
    return (model.decode(bytes) as unknown as { graph?: ReturnType<typeof decodedGraph> }).graph;
  } catch {
    return undefined;
  }
}

const IR_VERSION = 10;
const OPSET = 20;

function encodeAttribute([name, value]: [string, Attribute]): object {
  if (typeof value === "number") return { name, i: value, type: 2 };
  if (typeof value === "string") return { name, s: Buffer.from(value), type: 3 };
  if (Array.isArray(value)) return { name, ints: value, type: 7 };
  return { name, f: value.float, type: 1 };
}

type NameOf = (value: Value) => string;

/** Unique, and grouped by the part of the model: `student/blocks.0/mlp/Gemm_v17`. */
const nodeName = ({ scope, op, outputs }: GraphNode): string =>
  `${scope && `${scope}/`}${op}_${outputs[0].name}`;

const encodeNode = (node: GraphNode, nameOf: NameOf): object => ({
  input: node.inputs.map(nameOf),
  output: node.outputs.map(nameOf),
  name: nodeName(node),
  opType: node.op,
  attribute: [
    ...Object.entries(node.attributes).map(encodeAttribute),
    ...(node.body ? [{ name: "body", g: encodeBody(node.body, nodeName(node), nameOf), type: 5 }] : []),
  ],
  domain: node.domain,
});

const encodeBody = ({ nodes, inputs, outputs }: Body, name: string, nameOf: NameOf): object => ({
  name,
  node: nodes.map((node) => encodeNode(node, nameOf)),
  input: inputs.map((value) => encodeType(value.name, value)),
  output: outputs.map((value) => encodeType(value.name, value)),
});

/** The operator domains of nodes and all that is inside them. */
const domainsOf = (nodes: readonly GraphNode[]): string[] =>
  nodes.flatMap(({ domain, body }) => [domain, ...(body ? domainsOf(body.nodes) : [])]);

const encodeConstant = ({ name, shape, dtype, data }: Value): object => {
  const { buffer, byteOffset, byteLength } = data!;
  return {
    name,
    dims: shape,
    dataType: ONNX_TYPE[dtype],
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
  };
};

const encodeType = (name: string, { shape, dtype }: Value): object => ({
  name,
  type: { tensorType: { elemType: ONNX_TYPE[dtype], shape: { dim: shape.map((value) => ({ value })) } } },
});

/** A graph with named outputs as the bytes of an ONNX model. */
export function encodeOnnx(live: LiveGraph, outputs: readonly { name: string; value: Value }[]): Uint8Array {
  // An output that is itself an input, or asked for twice, needs a node of its own to carry the second name.
  const renamed = new Map<Value, string>();
  const copies: object[] = [];
  for (const { name, value } of outputs) {
    if (value.node && !renamed.has(value)) renamed.set(value, name);
    else
      copies.push({
        input: [renamed.get(value) ?? value.name],
        output: [name],
        name: `copy_${name}`,
        opType: "Identity",
      });
  }
  const nameOf = (value: Value): string => renamed.get(value) ?? value.name;
  const domains = new Set(domainsOf(live.nodes));
  // Plain objects of exactly the fields' types need no conversion to messages, which would take as long again.
  return model
    .encode({
      irVersion: IR_VERSION,
      producerName: "ditlab",
      opsetImport: [...new Set(["", ...domains])].map((domain) => ({
        domain,
        version: domain === "" ? OPSET : 1,
      })),
      graph: {
        name: "ditlab",
        node: [...live.nodes.map((node) => encodeNode(node, nameOf)), ...copies],
        initializer: live.constants.map(encodeConstant),
        input: live.inputs.map((value) => encodeType(value.name, value)),
        output: outputs.map(({ name, value }) => encodeType(name, value)),
      },
    } as never)
    .finish();
}
