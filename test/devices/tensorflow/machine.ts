/** A machine of small scripts: what `ditlab setup tensorflow` calls, without a network, a compiler or TensorFlow. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zipSync } from "fflate";
import { writeFiles } from "../../data/images.ts";
import { temporaryFolder } from "../../io/helpers.ts";

const buildInfo = (hasCuda: boolean): string =>
  `build_info = collections.OrderedDict([('is_cuda_build', ${hasCuda ? "True" : "False"})])`;
const METADATA = `Metadata-Version: 2.1
Name: tensorflow
Version: 2.21.0
Requires-Dist: numpy>=1.26.0
Provides-Extra: and-cuda
Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"
Requires-Dist: nvidia-cudnn-cu12 (<10.0,>=9.3) ; extra == 'and-cuda'
`;

/** Files of site-packages with TensorFlow. */
export const siteFiles = (hasCuda = false): Record<string, string> => ({
  "tensorflow/libtensorflow_cc.so.2": "cc",
  "tensorflow/libtensorflow_framework.so.2": "framework",
  "tensorflow/include/tensorflow/c/c_api.h": "",
  "tensorflow/include/Eigen/Core.h": "",
  "tensorflow/python/platform/build_info.py": buildInfo(hasCuda),
  "tensorflow/python/other.py": "",
  "tensorflow-2.21.0.dist-info/METADATA": METADATA,
});
const CUDA_FILES = {
  "nvidia/cublas/lib/libcublas.so.12": "",
  "nvidia/cublas/lib/libnvblas.so.12": "",
  "nvidia/cublas/include/cublas.h": "",
  "nvidia/cuda_nvcc/bin/ptxas": "",
  "nvidia/__init__.py": "",
};

/** A folder that holds TensorFlow, as site-packages does. */
export async function site(hasCuda = false): Promise<string> {
  const folder = await temporaryFolder();
  await writeFiles(folder, { ...siteFiles(hasCuda), ...(hasCuda ? CUDA_FILES : {}) });
  return folder;
}

const wheel = (files: Record<string, string>): Uint8Array =>
  zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])));

/** What they do; each is told by a file beside them that a test may write. */
const SCRIPTS = {
  npm: `[ -e "$HERE/offline" ] && { echo "npm error code ENOTFOUND" >&2; echo "npm error network request failed" >&2; exit 1; }
echo "$2" >> "$HERE/npm.log"
for at; do :; done
cp "$HERE/package.tgz" "$at/package.tgz" && echo package.tgz`,
  "g++": `[ -e "$HERE/slow" ] && sleep 60
[ "$1" = --version ] && exit 0
[ -e "$HERE/broken" ] && { echo "x.cc:1:1: error: no member named y" >&2; echo "1 error generated" >&2; exit 1; }
printf '%s\\n' "$@" > "$HERE/g++.log"
while [ "$1" != -o ]; do shift; done
echo addon > "$2"`,
  python3: `if [ "$1" = -c ]; then cat "$HERE/python-has" 2>/dev/null; exit 0; fi
[ -e "$HERE/offline" ] && { echo "ERROR: No matching distribution found" >&2; exit 1; }
echo "$@" >> "$HERE/pip.log"
while [ "$1" != --dest ]; do shift; done
at=$2
case "$*" in *tensorflow-cpu*) cp "$HERE/cpu.whl" "$at";; *nvidia*) cp "$HERE/nvidia.whl" "$at";; *) cp "$HERE/cuda.whl" "$at";; esac`,
};

/** Makes the machine, and puts the process on it with a cache of its own. @returns the folders, and what undoes it */
export async function machine() {
  const folder = await temporaryFolder();
  const home = await temporaryFolder();
  for (const [name, text] of Object.entries(SCRIPTS)) {
    await writeFile(join(folder, name), `#!/bin/sh\nHERE='${folder}'\n${text}\n`);
    await chmod(join(folder, name), 0o755);
  }
  for (const [name, files] of Object.entries({
    "cpu.whl": siteFiles(),
    "cuda.whl": siteFiles(true),
    "nvidia.whl": CUDA_FILES,
  }))
    await writeFile(join(folder, name), wheel(files));
  const { execFileSync } = await import("node:child_process");
  await mkdir(join(folder, "package"));
  await writeFiles(join(folder, "package"), { "binding/tfjs_backend.cc": "", "include/node_api.h": "" });
  execFileSync("tar", ["-czf", join(folder, "package.tgz"), "-C", folder, "package"]);
  const { PATH, DITLAB_HOME, CXX, VIRTUAL_ENV, CONDA_PREFIX } = process.env;
  const before = { PATH, DITLAB_HOME, CXX, VIRTUAL_ENV, CONDA_PREFIX };
  for (const name of ["CXX", "VIRTUAL_ENV", "CONDA_PREFIX"]) delete process.env[name];
  Object.assign(process.env, { PATH: `${folder}:${PATH}`, DITLAB_HOME: home });
  const leave = (): void => {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  };
  /** Tells the scripts something. */
  const tell = (name: string, text = ""): Promise<void> => writeFile(join(folder, name), text);
  return { folder, home, tell, leave };
}
