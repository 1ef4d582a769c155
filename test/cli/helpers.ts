/** The command as a process, and images for it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";

const BIN = fileURLToPath(new URL("../../lib/cli/bin.js", import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What a process prints, and how it ends. */
export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  child.stdout!.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}

/** Runs the command; `during` may act on the process while it runs. */
export async function ditlab(
  args: string[],
  env: Record<string, string> = {},
  during?: (child: ChildProcess) => Promise<void>,
): Promise<Outcome> {
  const child = spawn(process.execPath, [BIN, ...args], { env: { ...process.env, NO_COLOR: "1", ...env } });
  const outcome = outcomeOf(child);
  await during?.(child);
  return outcome;
}

/** MNIST's format with few images: strokes whose place tells the class. */
export async function smallIdxFolder(seed = 5): Promise<string> {
  const folder = await temporaryFolder();
  const random = randomGenerator(seed);
  const write = async (prefix: string, count: number): Promise<void> => {
    const images = Buffer.alloc(16 + count * 784);
    images.writeUInt32BE(0x803, 0);
    for (const [i, value] of [count, 28, 28].entries()) images.writeUInt32BE(value, 4 + 4 * i);
    const labels = Buffer.alloc(8 + count);
    labels.writeUInt32BE(0x801, 0);
    labels.writeUInt32BE(count, 4);
    for (let n = 0; n < count; n++) {
      const label = n % 10;
      labels[8 + n] = label;
      for (let row = 2; row < 26; row++)
        images[16 + n * 784 + row * 28 + 2 * label + random.integer(3) + 3] = 255;
    }
    await writeFile(join(folder, `${prefix}-images-idx3-ubyte`), images);
    await writeFile(join(folder, `${prefix}-labels-idx1-ubyte`), labels);
  };
  await write("train", 1500);
  await write("t10k", 500);
  return folder;
}

/** Waits until a file exists. */
export async function appears(path: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${path} did not appear within half a minute`);
}
