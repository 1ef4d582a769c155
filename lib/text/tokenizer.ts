/** CLIP's way with texts, from a folder of published files. */
import { join } from "node:path";
import type { Tokenizer as PublishedTokenizer } from "@huggingface/tokenizers";
import { exists, readBytes } from "../io/files.ts";
import type { CLIPTextConfig } from "./clip.ts";

export interface Tokenizer {
  /** Texts to token ids, all of one length. */
  tokenize(text: string): Int32Array;
  /** The token that ends a text. */
  readonly end: number;
}

/** A JSON file of a folder. @param whose in the error where it is missing */
export async function readJson(path: string, whose: string): Promise<unknown> {
  if (!(await exists(path))) throw new Error(`${path} is missing; expected ${whose} folder`);
  try {
    return JSON.parse(new TextDecoder().decode(await readBytes(path)));
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

const WHOSE = "a text encoder's";

/**
 * Texts are cut to so many tokens, the last of which is the end's, and padded with the end or what the folder calls
 * padding.
 */
export async function readTokenizer(
  folder: string,
  { tokens, vocabulary }: Pick<CLIPTextConfig, "tokens" | "vocabulary">,
): Promise<Tokenizer> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const settings = (await readJson(join(folder, "tokenizer_config.json"), WHOSE)) as Record<string, unknown>;
  const tokenizer: PublishedTokenizer = new Tokenizer(
    (await readJson(join(folder, "tokenizer.json"), WHOSE)) as object,
    settings,
  );
  const id = (name: string): number => {
    const token = settings[name];
    const text = typeof token === "object" ? (token as { content?: unknown } | null)?.content : token;
    const found = typeof text === "string" ? tokenizer.token_to_id(text) : undefined;
    if (found === undefined) throw new Error(`${folder}/tokenizer_config.json names no known ${name}`);
    return found;
  };
  const end = id("eos_token");
  const padding = settings.pad_token === undefined ? end : id("pad_token");
  return {
    end,
    tokenize(text) {
      const { ids } = tokenizer.encode(text);
      const cut: number[] = ids.length > tokens ? [...ids.slice(0, tokens - 1), end] : ids;
      const unknown = cut.find((one) => one >= vocabulary);
      if (unknown !== undefined)
        throw new Error(
          `the tokenizer of ${folder} has a token ${unknown}, its encoder ${vocabulary} tokens`,
        );
      return Int32Array.from({ length: tokens }, (_, i) => cut[i] ?? padding);
    },
  };
}
