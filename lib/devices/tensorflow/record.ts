/** What `ditlab setup tensorflow` has made, and whether it still holds. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fingerprint } from "../../fingerprint.ts";
import { cacheFolder } from "../../home.ts";
import { tf } from "../../tensor/tf.ts";

const FORMAT = "ditlab-tensorflow/1";
/** What helps with all that is wrong here. */
export const COMMAND = "npx ditlab setup tensorflow";
/** The version of the npm package that belongs to this tfjs. */
export const PACKAGE_VERSION: string = tf.version_core;
/** What the addon is linked with. */
export const LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"] as const;

/** A file as it was, as far as can be told without reading half a gigabyte. */
interface FileState {
  bytes: number;
  modified: number;
}

/** The record of a setup. */
export interface Setup {
  /** The npm package's files, and its version. */
  package: string;
  packageVersion: string;
  /** The compiled addon, and its SHA-256. */
  addon: string;
  hash: string;
  /** The folder `tensorflow` of the wheel, and its version. */
  tensorflow: string;
  version: string;
  /** Whether its libraries are those for CUDA. */
  hasCuda: boolean;
  /** Whether the wheel was fetched for this, and goes with it. */
  isOurs: boolean;
  libraries: Record<string, FileState>;
}

/** The folder of all that is made; nothing else lies in it. */
export const home = (...parts: string[]): string => cacheFolder("tensorflow", ...parts);
export const recordFile = (): string => home("setup.json");

export function stateOf(file: string): FileState | undefined {
  try {
    const { size, mtimeMs } = statSync(file);
    return { bytes: size, modified: Math.round(mtimeMs) };
  } catch {
    return undefined;
  }
}

/** SHA-256 of a file; nothing where there is none. */
export function hashOf(file: string): string | undefined {
  try {
    return fingerprint([readFileSync(file)]);
  } catch {
    return undefined;
  }
}

export const recordText = (setup: Setup): string =>
  `${JSON.stringify({ format: FORMAT, ...setup }, null, 2)}\n`;

/** The record of the setup in a file; nothing where there is none. @throws where it is something else */
export function readSetup(file = recordFile()): Setup | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  let value: (Partial<Setup> & { format?: string }) | null = null;
  try {
    value = JSON.parse(text);
  } catch {}
  const fits =
    value?.format === FORMAT &&
    [value.package, value.addon, value.hash, value.tensorflow].every((part) => typeof part === "string") &&
    typeof value.libraries === "object";
  if (!fits) throw new Error(`${file} is no record of a setup (${FORMAT})`);
  return value as Setup;
}

/** Why TensorFlow cannot be had on a platform at all. */
export function unsupported(platform = process.platform, arch = process.arch): string | undefined {
  if (platform === "linux" && (arch === "x64" || arch === "arm64")) return undefined;
  return `TensorFlow's libraries can be set up on Linux (x64 and arm64) alone, and this is ${platform} on ${arch}`;
}

/** What no longer holds of a setup. */
export function brokenPart(setup: Setup): string | undefined {
  if (setup.packageVersion !== PACKAGE_VERSION)
    return `it was set up for tfjs ${setup.packageVersion}, and tfjs is ${PACKAGE_VERSION} now`;
  for (const [name, { bytes, modified }] of Object.entries(setup.libraries)) {
    const file = join(setup.tensorflow, name);
    const now = stateOf(file);
    if (!now) return `${file}, which it was set up with, is gone`;
    if (now.bytes !== bytes || now.modified !== modified)
      return `${file} is no longer the file that it was set up with`;
  }
  if (hashOf(setup.addon) !== setup.hash) return `its addon ${setup.addon} is gone or has changed`;
  return undefined;
}

/** What stands in the way of the device, and the command that helps; nothing where it is set up. */
export function missingSetup(): { problem: string; fix: string } | undefined {
  const problem = unsupported();
  if (problem) return { problem, fix: "take another device" };
  try {
    const setup = readSetup();
    const broken = setup ? brokenPart(setup) : "it needs TensorFlow's library, which is not set up";
    return broken === undefined ? undefined : { problem: broken, fix: COMMAND };
  } catch (error) {
    return { problem: (error as Error).message, fix: COMMAND };
  }
}
