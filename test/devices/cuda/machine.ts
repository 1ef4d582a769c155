/** A machine of small scripts: what `ditlab setup cuda` calls, without a network or NVIDIA's libraries. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zipSync } from "fflate";
import { temporaryFolder } from "../../io/helpers.ts";

/** Files of NVIDIA's wheels, as those of 13 and of 12 are laid out. */
export const WHEELS: Readonly<Record<string, Record<string, string>>> = {
  "nvidia-cuda-nvrtc": {
    "nvidia/cu13/lib/libnvrtc.so.13": "nvrtc",
    "nvidia/cu13/lib/libnvrtc.alt.so.13": "alt",
    "nvidia/cu13/lib/libnvrtc-builtins.so.13.0": "builtins",
    "nvidia/cu13/include/nvrtc.h": "",
    "nvidia_cuda_nvrtc-13.0.88.dist-info/METADATA": "Name: nvidia-cuda-nvrtc",
    "nvidia_cuda_nvrtc-13.0.88.dist-info/licenses/License.txt": "license",
  },
  "nvidia-cublas": {
    "nvidia/cu13/lib/libcublasLt.so.13": "cublasLt",
    "nvidia/cu13/lib/libcublas.so.13": "cublas",
  },
  "nvidia-cuda-nvrtc-cu12": {
    "nvidia/cuda_nvrtc/lib/libnvrtc.so.12": "nvrtc",
    "nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.9": "builtins",
  },
  "nvidia-cublas-cu12": { "nvidia/cublas/lib/libcublasLt.so.12": "cublasLt" },
};

/** What it does is told by files beside it that a test may write. */
const PYTHON = `[ -e "$HERE/slow" ] && sleep 60
[ -e "$HERE/offline" ] && { echo "ERROR: No matching distribution found" >&2; exit 1; }
echo "$@" >> "$HERE/pip.log"
while [ "$1" != --dest ]; do shift; done
at=$2
shift 2
for wanted; do cp "$HERE/\${wanted%%>*}.whl" "$at"; done`;

/** Makes the machine, and puts the process on it with a cache of its own. @returns the folders, and what undoes it */
export async function machine() {
  const folder = await temporaryFolder();
  const home = await temporaryFolder();
  await writeFile(join(folder, "python3"), `#!/bin/sh\nHERE='${folder}'\n${PYTHON}\n`);
  await chmod(join(folder, "python3"), 0o755);
  for (const [name, files] of Object.entries(WHEELS)) {
    const entries = Object.entries(files).map(([file, text]) => [file, Buffer.from(text)]);
    await writeFile(join(folder, `${name}.whl`), zipSync(Object.fromEntries(entries)));
  }
  await mkdir(join(folder, "empty"));
  const changes: Record<string, string | undefined> = {
    PATH: `${folder}:${process.env.PATH}`,
    DITLAB_HOME: home,
    // No libraries but those of a test.
    ...Object.fromEntries(
      ["DITLAB_CUDA_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_HOME", "CUDA_PATH"].map((name) => [
        name,
        undefined,
      ]),
    ),
  };
  const set = (values: Record<string, string | undefined>): void => {
    for (const [name, value] of Object.entries(values))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  };
  const before = Object.fromEntries(Object.keys(changes).map((name) => [name, process.env[name]]));
  set(changes);
  /** Tells the script something. */
  const tell = (name: string, text = ""): Promise<void> => writeFile(join(folder, name), text);
  return { folder, home, tell, leave: () => set(before) };
}
