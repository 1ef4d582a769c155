/** A text encoder that somebody exported as an ONNX file, as CLIP's often is. */
import { firstIn, readBytes } from "../io/files.ts";
import { openOnnxFile, type Port, shown } from "../jit/targets/onnxruntime/model-file.ts";
import type { Binding } from "../jit/targets/onnxruntime/session.ts";
import { BATCH, type TextNetwork } from "./text-network.ts";

/** Where exporters put it. */
const NAMES = ["model.onnx", "text_model.onnx", "onnx/text_model.onnx", "onnx/model.onnx"] as const;

/** The ONNX file of a folder, if it has one. */
export const onnxIn = (folder: string): Promise<string | undefined> => firstIn(folder, NAMES);

const [IDS, MASK, HIDDEN] = ["input_ids", "attention_mask", "last_hidden_state"];

/**
 * Opens one with an input of token ids [B,tokens], named `input_ids` where there is an `attention_mask` too, and an output
 * [B,tokens,width], named `last_hidden_state` where there are several. Padding is seen as any other token is, as where the
 * features are trained on.
 */
export async function openOnnxText(
  path: string,
  { tokens, width }: { tokens: number; width: number },
): Promise<TextNetwork> {
  const file = await openOnnxFile(path, await readBytes(path));
  const { inputs, outputs } = file;
  const isKnown = ({ name, dtype }: Port): boolean =>
    (inputs.length === 1 || name === IDS || name === MASK) && (dtype === "int64" || dtype === "int32");
  const hidden =
    outputs.find(({ name }) => name === HIDDEN) ?? outputs.find(({ shape }) => shape.length === 3);
  const refuse = (what: string): never => {
    file.dispose();
    throw new Error(`${path} is no text encoder that can be run here: ${what}`);
  };
  if (inputs.length === 0 || !inputs.every(isKnown) || !hidden)
    return refuse(
      `expected ${IDS}, perhaps ${MASK}, and ${HIDDEN}; got ${inputs.map(shown).join(", ")}, and ${outputs.map(shown).join(", ")}`,
    );
  const batch = inputs[0].shape[0] ?? BATCH;
  return {
    batch,
    fingerprint: file.fingerprint,
    async run(ids) {
      const bindings = inputs.map(({ name, dtype }): Binding => {
        const numbers = name === MASK ? new Int32Array(ids.length).fill(1) : ids;
        const data = dtype === "int64" ? BigInt64Array.from(numbers, BigInt) : numbers;
        return { name, data, shape: [batch, tokens], dtype: dtype! };
      });
      const { shape, data } = await file.run(bindings, hidden.name);
      if (shape.join() !== [batch, tokens, width].join())
        throw new Error(
          `${path} makes [${shape}] of ${batch} texts; its config.json says [${batch},${tokens},${width}]`,
        );
      return data;
    },
    dispose: async () => file.dispose(),
  };
}
