/** The GPUs that processors play, and processes on them: a process has one driver. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as assert from "uvu/assert";
import { isInstalled } from "../../lib/devices/packages.ts";

const DRIVERS = {
  lavapipe: ["/usr/share/vulkan/icd.d/lvp_icd.json", "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"],
  swiftshader: ["/usr/lib/chromium/vk_swiftshader_icd.json"],
} as const;

export interface Driver {
  name: string;
  /** The environment that chooses it. */
  env: Record<string, string>;
  /** What is not installed. */
  missing?: string;
}

export const driverEnv = (file: string): Record<string, string> => ({
  VK_ICD_FILENAMES: file,
  VK_DRIVER_FILES: file,
});
/** A machine without a GPU. */
export const NO_DRIVER = driverEnv("/nowhere.json");

export const hasPackages = ["webgpu", "@tensorflow/tfjs-backend-webgpu"].every(isInstalled);

export const drivers: Driver[] = Object.entries(DRIVERS).map(([name, paths]) => {
  const file = paths.find((path) => existsSync(path));
  const missing =
    file === undefined ? `the driver ${name}` : hasPackages ? undefined : "the packages for webgpu";
  return { name, env: driverEnv(file ?? ""), missing };
});

export interface Ran {
  code: number | null;
  /** What it printed as lines of JSON. */
  lines: unknown[];
  stdout: string;
  /** Without the driver's own warnings. */
  stderr: string;
}

/** Runs a script of this folder, or the command where it is `ditlab`, in an environment of its own. */
export async function run(
  script: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  imports: readonly string[] = [],
): Promise<Ran> {
  const root = join(import.meta.dirname, "../..");
  // The test runner asks for colors; Node warns in each process where the environment also asks for none.
  const { DITLAB_DEVICE: _, FORCE_COLOR: __, ...inherited } = process.env;
  const start =
    script === "ditlab"
      ? [join(root, "lib/cli/bin.js")]
      : ["--import", "tsx", "--import", join(root, "test/setup.ts"), join(import.meta.dirname, script)];
  const child = spawn(
    process.execPath,
    [...imports.flatMap((file) => ["--import", join(import.meta.dirname, file)]), ...start, ...args],
    { env: { ...inherited, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  const [out, errors]: [string[], string[]] = [[], []];
  createInterface(child.stdout).on("line", (line) => out.push(line));
  createInterface(child.stderr).on("line", (line) => errors.push(line));
  const [code] = await once(child, "close");
  return {
    code,
    lines: out.filter((line) => /^[{[].*[}\]]$/.test(line)).map((line) => JSON.parse(line)),
    stdout: out.join("\n"),
    stderr: errors.filter((line) => !/^Warning|CheckVkSuccessImpl|^\s*$/.test(line)).join("\n"),
  };
}

/** The lines of a process that has to succeed. */
export async function linesOf<T>(...args: Parameters<typeof run>): Promise<T[]> {
  const { code, lines, stderr } = await run(...args);
  assert.is(code, 0, stderr.split("\n").slice(-12).join("\n"));
  return lines as T[];
}
