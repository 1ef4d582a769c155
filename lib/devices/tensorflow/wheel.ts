/** TensorFlow's libraries and headers: those of a folder, of a Python, or of a wheel that pip fetches. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { listed, textOf } from "../machine-files.ts";
import { pythons } from "../setup-pip.ts";
import { type RunOptions, run } from "../setup-processes.ts";
import { LIBRARIES } from "./record.ts";

/** TensorFlow as a Python package's folder. */
export interface Wheel {
  /** The folder `tensorflow`. */
  folder: string;
  version: string;
  hasCuda: boolean;
}

/** Where a wheel's metadata lies. */
export function metadataOf(folder: string): string {
  const info = listed(dirname(folder)).find((name) => /^tensorflow(_cpu|_gpu)?-.*\.dist-info$/.test(name));
  return textOf(join(dirname(folder), info ?? "", "METADATA"));
}

/** What the addon needs of it. */
const NEEDED = [...LIBRARIES, "include/tensorflow/c/c_api.h"];

/** What a folder `tensorflow` is. @throws naming what is missing in it */
export function wheelIn(folder: string): Wheel {
  const missing = NEEDED.find((name) => !existsSync(join(folder, name)));
  if (missing)
    throw new Error(
      `${folder} has no ${missing}; expected the folder of TensorFlow 2.16 or newer, as pip installs it on Linux`,
    );
  const version = /^Version: (.+)$/m.exec(metadataOf(folder))?.[1] ?? "of an unknown version";
  const build = textOf(join(folder, "python/platform/build_info.py"));
  return { folder, version, hasCuda: /'is_cuda_build', *True|"is_cuda_build": *True/.test(build) };
}

/** The folder `tensorflow` in what somebody names: itself, site-packages, or an environment. @throws naming both */
export function tensorFlowBelow(given: string): Wheel {
  const from = resolve(given);
  const libraries = ["lib", "lib64"].flatMap((lib) =>
    listed(join(from, lib)).map((python) => join(from, lib, python, "site-packages/tensorflow")),
  );
  const found = [join(from, "tensorflow"), ...libraries].find((folder) => existsSync(folder));
  if (found) return wheelIn(found);
  if (!existsSync(join(from, LIBRARIES[1])))
    throw new Error(
      `${from} holds no TensorFlow; expected its folder 'tensorflow', site-packages, or a Python environment`,
    );
  return wheelIn(from);
}

const FIND = `import importlib.util
found = importlib.util.find_spec("tensorflow")
print(found.submodule_search_locations[0] if found else "")`;

/** TensorFlow in the Python in use, which need not be able to import it; nothing where there is none that fits. */
export async function tensorFlowOfPython(options: RunOptions): Promise<Wheel | undefined> {
  for (const python of pythons())
    try {
      // Python looks in the working folder first.
      const folder = (await run(python, ["-c", FIND], { ...options, cwd: "/", timeout: 60 })).trim();
      if (folder !== "") return wheelIn(folder);
    } catch {
      if (options.signal?.aborted) throw new Error("it was stopped");
    }
  return undefined;
}

/** CUDA's libraries that TensorFlow opens by name. */
const CUDA =
  /^lib(cudart|cublas|cublasLt|cufft|curand|cusolver|cusparse|cudnn|nccl|nvrtc|nvJitLink|cupti)\.so\.\d+$/;

/** CUDA's libraries that pip has laid beside TensorFlow. */
export function cudaLibraries({ folder }: Wheel): string[] {
  const nvidia = join(dirname(folder), "nvidia");
  return listed(nvidia).flatMap((part) => {
    const lib = join(nvidia, part, "lib");
    return listed(lib).flatMap((name) => (CUDA.test(name) ? join(lib, name) : []));
  });
}
