/** What `ditlab prepare` makes in parts, as plain data: this process does it, or ranks, or the workers of a queue. */
import { openFeatures } from "../data/features.ts";
import { openLatents } from "../data/latents.ts";
import { openPacking } from "../data/pack.ts";
import type { Preparation } from "../data/preparation.ts";
import { openImages } from "../data/prepare.ts";
import { openCaptioning } from "../data/prepare-captions.ts";
import { z } from "../schema.ts";
import { openTextEncoder } from "../text/index.ts";
import { readVAE } from "../vae/index.ts";
import { openImageEncoder } from "../vision/index.ts";
import { fetched } from "./download.ts";

const common = { source: z.string(), destination: z.string() };

export const prepareTask = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("images"), ...common, size: z.number() }),
  z.object({ kind: z.literal("latents"), ...common, vae: z.string() }),
  z.object({
    kind: z.literal("features"),
    ...common,
    encoder: z.string(),
    grid: z.number(),
    attention: z.array(z.number()).optional(),
  }),
  z.object({
    kind: z.literal("shards"),
    ...common,
    shardSize: z.number().optional(),
    arrays: z.record(z.string(), z.string()).optional(),
  }),
  z.object({
    kind: z.literal("captions"),
    ...common,
    annotations: z.string(),
    encoder: z.string(),
    shardSize: z.number().optional(),
  }),
]);
export type PrepareTask = z.infer<typeof prepareTask>;

/** Opens what the task names. @param threads of the task that crops images */
export async function openTask(task: PrepareTask, threads?: number): Promise<Preparation> {
  const { source, destination } = task;
  switch (task.kind) {
    case "images":
      return openImages(source, destination, { size: task.size, threads });
    case "latents":
      return openLatents(source, destination, await readVAE(await fetched(task.vae)));
    case "features": {
      const encoder = await openImageEncoder(task.encoder, task);
      return disposing(encoder, () => openFeatures(source, destination, encoder));
    }
    case "shards":
      return openPacking(source, destination, task);
    case "captions": {
      const encoder = await openTextEncoder(task.encoder);
      const options = { encoder, shardSize: task.shardSize };
      return disposing(encoder, () => openCaptioning(source, task.annotations, destination, options));
    }
  }
}

/** A preparation that gives back its encoder when it is closed. */
async function disposing(
  encoder: { dispose(): Promise<void> },
  open: () => Promise<Preparation>,
): Promise<Preparation> {
  try {
    const preparation = await open();
    const close = async (): Promise<void> => {
      await preparation.close();
      await encoder.dispose();
    };
    return { ...preparation, close };
  } catch (error) {
    await encoder.dispose();
    throw error;
  }
}
