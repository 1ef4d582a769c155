/** A wheel of TensorFlow from Python's registry: of its 1.2 GB what a program in C needs. */
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeStreamAtomic } from "../../io/files.ts";
import { openZip } from "../../io/zip.ts";
import { isMissing, type RunOptions, run } from "./processes.ts";
import { metadataOf, pythons, type Wheel, wheelIn } from "./wheel.ts";

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

/** Unpacks what is kept of a wheel. @returns the bytes */
export async function unpack(file: string, folder: string, signal?: AbortSignal): Promise<number> {
  const zip = await openZip(file, "a wheel");
  let bytes = 0;
  try {
    const folders = new Set<string>();
    for (const [name, size] of zip.sizes) {
      if (!isKept(name) || name.endsWith("/")) continue;
      signal?.throwIfAborted();
      const path = join(folder, name);
      if (!folders.has(dirname(path))) await mkdir(dirname(path), { recursive: true });
      folders.add(dirname(path));
      const stream = await zip.stream(name);
      await writeStreamAtomic(path, () => stream);
      if (/^nvidia\/.*\/bin\//.test(name)) await chmod(path, 0o755);
      bytes += size;
    }
  } finally {
    await zip.close();
  }
  return bytes;
}

/** What the wheel with CUDA needs beside it, as its metadata names it. */
export const cudaRequirements = (metadata: string): string[] =>
  [...metadata.matchAll(/^Requires-Dist: ([^;\n]+?) *; *extra *== *["']and-cuda["'] *$/gm)].map(
    // Older ones write the range in brackets.
    ([, name]) => name.replace(/[()\s]/g, ""),
  );

/** pip's words on a failure are many, and the last is often about pip itself. */
async function download(wanted: readonly string[], folder: string, options: RunOptions): Promise<void> {
  const args = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
  args.push("--only-binary=:all:", "--dest", folder);
  let reason = "there is no python3";
  // Without its own version first: a mirror may have that one alone.
  for (const python of pythons())
    for (const version of [[], ["--python-version", PYTHON]])
      try {
        await run(python, [...args, ...version, ...wanted], options);
        return;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (isMissing(error)) break;
        reason = (error as Error).message;
      }
  throw new Error(
    `pip cannot fetch ${wanted.join(" ")}: ${reason}; expected Python with pip, or --from with a folder that holds TensorFlow`,
  );
}

/** Downloads wheels and unpacks them into a folder. */
async function bring(wanted: readonly string[], folder: string, options: RunOptions): Promise<void> {
  const at = `${folder}.download`;
  await mkdir(at, { recursive: true });
  try {
    await download(wanted, at, options);
    for (const name of await readdir(at)) await unpack(join(at, name), folder, options.signal);
  } finally {
    await rm(at, { recursive: true, force: true });
  }
}

/** Fetches TensorFlow, with CUDA's libraries where it is to run on a GPU, into a folder. */
export async function fetchWheel(hasCuda: boolean, folder: string, options: RunOptions): Promise<Wheel> {
  await bring([requirement(hasCuda)], folder, options);
  const tensorflow = join(folder, "tensorflow");
  if (hasCuda) {
    const more = cudaRequirements(metadataOf(tensorflow));
    // All at once, so that they fit each other.
    if (more.length > 0) await bring(more, folder, options);
  }
  return wheelIn(tensorflow);
}
