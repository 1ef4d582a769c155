/** The built kernel, and front ends to try it with. */
import { execFile, spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ensureBuilt } from "../../kernel/install/build.ts";
import { temporaryFolder } from "../io/helpers.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const kernelMain = join(root, "dist/kernel/main.js");

/** Builds the package unless the build is newer than its sources; kernels run from the build. */
export const build = (): string => ensureBuilt();

/** Debian's Python, which has Jupyter's own client where its packages are installed. */
export const PYTHON = "/usr/bin/python3";

/** Whether Debian's Python has a module. */
export function hasPython(...modules: string[]): boolean {
  const check = spawnSync(PYTHON, ["-c", modules.map((name) => `import ${name}`).join("\n")]);
  return check.status === 0;
}

let jupyterPath: Promise<string> | undefined;

/** A folder for JUPYTER_PATH that holds a kernelspec `ditlab-test` of the built kernel. */
export function kernelspecs(): Promise<string> {
  jupyterPath ??= (async () => {
    const folder = await temporaryFolder();
    const spec = join(folder, "kernels/ditlab-test");
    await mkdir(spec, { recursive: true });
    await writeFile(
      join(spec, "kernel.json"),
      JSON.stringify({
        argv: [process.execPath, kernelMain, "{connection_file}"],
        display_name: "TypeScript (test)",
        language: "typescript",
        interrupt_mode: "message",
      }),
    );
    return folder;
  })();
  return jupyterPath;
}

/** Runs a Python program beside this file with the kernelspec at hand; returns what it wrote, also when it fails. */
export async function python(script: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const env = { ...process.env, JUPYTER_PATH: await kernelspecs(), PYTHONDONTWRITEBYTECODE: "1" };
  const file = fileURLToPath(new URL(script, import.meta.url));
  try {
    const options = { env, maxBuffer: 2 ** 26, timeout: 1_800_000 };
    const { stdout, stderr } = await promisify(execFile)(PYTHON, [file, ...args], options);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : 1, output: `${stdout}${stderr}` };
  }
}
