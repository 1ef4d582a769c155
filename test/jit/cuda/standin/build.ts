/** The stand-ins for CUDA's libraries, built by g++ where there is one: once, and kept under the temporary folder. */
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import koffi from "koffi";

const run = promisify(execFile);
const SOURCES = new URL(".", import.meta.url).pathname;
/** Node has a C++ library of its own, whose functions must not take the place of ours. */
const OWN_LIBRARY = ["-static-libstdc++", "-static-libgcc", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,ALL"];
const FLAGS = [
  ...["-std=c++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-gnu-unique", "-pthread"],
  ...OWN_LIBRARY,
];
const LIBRARIES = {
  libcuda: "libcuda.so.1",
  libnvrtc: "libnvrtc.so.13",
  libcublasLt: "libcublasLt.so.13",
  libnccl: "libnccl.so.2",
};

export interface StandIns {
  /** Holds the libraries, under the names of CUDA's own. */
  readonly folder: string;
}
/** Undefined where they cannot be: they need g++ and Linux on x86-64. */
export async function buildStandIns(): Promise<StandIns | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const compiler = spawnSync("g++", ["--version"], { encoding: "utf8" });
  if (compiler.status !== 0) return undefined;
  const files = readdirSync(SOURCES).filter((name) => /\.(h|cc)$/.test(name));
  const hash = createHash("sha256").update(FLAGS.join(" ")).update(compiler.stdout);
  for (const name of files.sort()) hash.update(name).update(readFileSync(join(SOURCES, name)));
  const folder = join(tmpdir(), `ditlab-standin-${process.getuid?.()}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(folder)) return { folder };
  const made = mkdtempSync(`${folder}-`);
  // The stand-in for NVRTC puts these ahead of a kernel's text.
  for (const name of files) if (name.endsWith(".h")) copyFileSync(join(SOURCES, name), join(made, name));
  const build = (source: keyof typeof LIBRARIES, ...more: string[]) => {
    const name = LIBRARIES[source];
    const names = [join(SOURCES, `${source}.cc`), "-o", join(made, name), `-Wl,-soname,${name}`];
    return run("g++", [...FLAGS, ...names, ...more]);
  };
  await Promise.all([build("libcuda", "-ldl"), build("libnvrtc", "-ldl")]);
  const onDriver = [`-L${made}`, "-l:libcuda.so.1", "-Wl,-rpath,$ORIGIN"];
  await Promise.all([build("libcublasLt", ...onDriver), build("libnccl", ...onDriver)]);
  try {
    renameSync(made, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(made, { recursive: true }); // another process was quicker
  }
  return { folder };
}

/** What the stand-in driver saw. */
export interface Report {
  /** Outside of graphs. */
  readonly launches: number;
  readonly graphLaunches: number;
  readonly captures: number;
  readonly nodesReplayed: number;
  /** Products of the stand-in cuBLASLt that were given to a stream. */
  readonly products: number;
  /** Sums over processes of the stand-in NCCL that were given to a stream. */
  readonly collectives: number;
  /** Which of its devices the process computed on. */
  readonly device: number;
  readonly bytes: number;
  readonly mostBytes: number;
  readonly allocations: number;
  readonly hostBytes: number;
  readonly mostHostBytes: number;
  readonly hostAllocations: number;
  readonly modules: number;
  readonly events: number;
  readonly streams: number;
  readonly graphs: number;
  readonly executables: number;
  /** Work that is not done yet. */
  readonly queued: number;
  /** The error that the context is lost by, or 0. */
  readonly lost: number;
  /** How often each kernel ran. */
  readonly kernels: Readonly<Record<string, number>>;
  /** Reads of eight rows by ldmatrix, and how often more than once they met a bank. */
  readonly matrices: Readonly<Record<string, { phases: number; conflicts: number }>>;
  /** Races, accesses out of bounds and other mistakes, as sentences. */
  readonly faults: readonly string[];
  readonly faultsDropped: number;
}
export const report = ({ folder }: StandIns): Report =>
  JSON.parse(koffi.load(join(folder, LIBRARIES.libcuda)).func("standin_report", "str", [])());
export const clearReport = ({ folder }: StandIns): void =>
  koffi.load(join(folder, LIBRARIES.libcuda)).func("standin_clear_report", "void", [])();
