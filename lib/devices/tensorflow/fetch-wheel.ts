/** A wheel of TensorFlow from Python's registry: of its 1.2 GB what a program in C needs. */
import { join } from "node:path";
import { bringWheels, type Wheels } from "../setup-pip.ts";
import type { RunOptions } from "../setup-processes.ts";
import { metadataOf, type Wheel, wheelIn } from "./wheel.ts";

/** The version that the tests compile against. */
const VERSION = "2.21.*";
/** A Python that this version has wheels for, where the one in use is none: its libraries know nothing of Python. */
const PYTHON = "3.12";

/** The wheel's name with and without CUDA. @throws where there is none */
export function requirement(hasCuda: boolean, arch = process.arch): string {
  if (arch === "x64") return `${hasCuda ? "tensorflow" : "tensorflow-cpu"}==${VERSION}`;
  if (hasCuda)
    throw new Error(
      `TensorFlow has no wheel with CUDA for ${arch}; expected --cpu, or --from with the folder of one`,
    );
  return `tensorflow==${VERSION}`;
}

/** What of a wheel's files is kept. */
const isKept = (name: string): boolean =>
  /^tensorflow\/libtensorflow_(cc|framework)\.so/.test(name) ||
  /^tensorflow\/include\/(tensorflow|tsl|xla)\/.*\.h$/.test(name) ||
  name === "tensorflow/python/platform/build_info.py" ||
  /^[^/]+\.dist-info\/METADATA$/.test(name) ||
  // CUDA's libraries, with the compiler for GPUs that are newer than they are.
  (name.startsWith("nvidia/") && !/\/include\//.test(name) && !name.endsWith(".py"));

/** What the wheel with CUDA needs beside it, as its metadata names it. */
export const cudaRequirements = (metadata: string): string[] =>
  [...metadata.matchAll(/^Requires-Dist: ([^;\n]+?) *; *extra *== *["']and-cuda["'] *$/gm)].map(
    // Older ones write the range in brackets.
    ([, name]) => name.replace(/[()\s]/g, ""),
  );

const WHEELS: Wheels = {
  isKept,
  // Without its own version first: a mirror may have that one alone.
  versions: [[], ["--python-version", PYTHON]],
  instead: "--from with a folder that holds TensorFlow",
};

/** Fetches TensorFlow, with CUDA's libraries where it is to run on a GPU, into a folder. */
export async function fetchWheel(hasCuda: boolean, folder: string, options: RunOptions): Promise<Wheel> {
  await bringWheels([requirement(hasCuda)], folder, WHEELS, options);
  const tensorflow = join(folder, "tensorflow");
  if (hasCuda) {
    const more = cudaRequirements(metadataOf(tensorflow));
    // All at once, so that they fit each other.
    if (more.length > 0) await bringWheels(more, folder, WHEELS, options);
  }
  return wheelIn(tensorflow);
}
