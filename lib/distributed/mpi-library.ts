/**
 * An MPI library that is found at run time: Open MPI, MPICH and what descends from it, or one with the standard's own binary
 * interface (MPI 5.0). They differ in what their handles are, which this file alone knows.
 */
import { fstatSync } from "node:fs";
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import { deepStacks } from "../native-stacks.ts";
import type { Launch } from "./launch.ts";

/** What functions are given where headers have names; handles are numbers or addresses. */
interface Constants {
  /** C's type of a handle. */
  readonly handle: "void *" | "int";
  readonly world: Handle;
  readonly float: Handle;
  readonly double: Handle;
  readonly sum: Handle;
  /** "The numbers are where the result goes." */
  readonly inPlace: number;
  /** "Nobody wants to know the status." */
  readonly ignore: number;
  /** The level that lets any thread call at any time. */
  readonly threadMultiple: number;
}

export type Handle = number | bigint;

export interface MpiLibrary extends Constants {
  /** As it calls itself: `Open MPI v4.1.4`. */
  readonly name: string;
  function(name: string, parameters: readonly string[]): KoffiFunc<(...args: unknown[]) => number>;
}

const MPICH: Constants = {
  handle: "int",
  world: 0x44000000,
  float: 0x4c00040a,
  double: 0x4c00080b,
  sum: 0x58000003,
  inPlace: -1,
  ignore: 1,
  threadMultiple: 3,
};

/** MPI 5.0, chapter "Application Binary Interface". */
const STANDARD: Constants = {
  handle: "void *",
  world: 0x101,
  float: 0x210,
  double: 0x214,
  sum: 0x21,
  inPlace: 1,
  ignore: 0,
  threadMultiple: 4096,
};

/** Open MPI's handles are the addresses of what the library holds. */
function openMpi(library: LibraryHandle): Constants {
  const address = (name: string): bigint => koffi.address(library.symbol(name, "char"));
  return {
    handle: "void *",
    world: address("ompi_mpi_comm_world"),
    float: address("ompi_mpi_float"),
    double: address("ompi_mpi_double"),
    sum: address("ompi_mpi_op_sum"),
    inPlace: 1,
    ignore: 0,
    threadMultiple: 3,
  };
}

/** The standard's own first, then what distributions and clusters install. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  linux: ["libmpi_abi.so.0", "libmpi.so.40", "libmpi.so.80", "libmpich.so.12", "libmpi.so.12", "libmpi.so"],
  darwin: ["libmpi_abi.0.dylib", "libmpi.40.dylib", "libmpi.80.dylib", "libmpi.12.dylib", "libmpi.dylib"],
};

const familyOf = (name: string): Launch["family"] => (/^Open MPI/.test(name) ? "Open MPI" : "MPICH");

function versionOf(library: LibraryHandle): string {
  const text = Buffer.alloc(8192);
  const length = new Int32Array(1);
  library.func("int MPI_Get_library_version(void *, void *)")(text, length);
  return text.toString("latin1", 0, length[0]).replace(/\0.*/s, "");
}

/** `Open MPI 4.1.4` of a paragraph that says much more. */
function shortName(version: string): string {
  const [, family = "MPI", number = ""] =
    /^(Open MPI|MPICH|Intel\(R\) MPI|MVAPICH2?)[^\d]*([\d.]+)/.exec(version) ?? [];
  return `${family} ${number}`.trim();
}

/**
 * Loads the library that belongs to the launcher, or the one that `DITLAB_MPI` names.
 * @throws in one sentence with what was looked for
 */
export function openMpiLibrary(launch: Launch): MpiLibrary {
  deepStacks();
  // UCX, on which MPICH may lie, tries its hooks by moving the heap's end to and fro, which tears memory from under Node's
  // other threads now and then.
  process.env.UCX_MEM_EVENTS ??= "n";
  const { DITLAB_MPI } = process.env;
  const names = DITLAB_MPI ? [DITLAB_MPI] : (NAMES[process.platform] ?? []);
  const refused: string[] = [];
  for (const name of names) {
    let library: LibraryHandle;
    try {
      // Its own plug-ins look for its functions.
      library = koffi.load(name, { global: true });
    } catch (error) {
      refused.push(
        `${name} (${/cannot open shared object file/.test(String(error)) ? "not found" : (error as Error).message.split("\n")[0]})`,
      );
      continue;
    }
    const version = versionOf(library);
    if (!DITLAB_MPI && launch.family && familyOf(version) !== launch.family) {
      refused.push(`${name} (${shortName(version)})`);
      continue;
    }
    keepLoaded(name);
    const constants = constantsOf(name, version, library);
    return {
      ...constants,
      name: shortName(version),
      function: (symbol, parameters) => library.func(symbol, "int", [...parameters]),
    };
  }
  const wanted = launch.family ? `${launch.family}, whose launcher started it` : "MPI";
  throw new Error(
    `this process is one of ${launch.size}, and needs the library of ${wanted}; looked for ${refused.join(", ") || "none on this system"}; install it, or name its file as DITLAB_MPI`,
  );
}

/**
 * Keeps a library in memory until the process is gone. Node's own threads, which called it, end after koffi has let go of it,
 * and run then what it left for that: without this Open MPI crashed every process that had spoken over TCP.
 */
function keepLoaded(name: string): void {
  const RTLD_NOW = 2;
  koffi.load(null).func("void *dlopen(str, int)")(name, RTLD_NOW);
}

function constantsOf(name: string, version: string, library: LibraryHandle): Constants {
  if (/mpi_abi/.test(name)) return STANDARD;
  return familyOf(version) === "Open MPI" ? openMpi(library) : MPICH;
}

/**
 * @throws where MPICH's launcher has handed over its connection as an open file that a program in between has closed, as
 * `npx` does
 */
export function checkConnection(env: Readonly<Record<string, string | undefined>> = process.env): void {
  const { PMI_FD } = env;
  if (PMI_FD === undefined) return;
  try {
    fstatSync(Number(PMI_FD));
  } catch {
    throw new Error(
      "mpiexec speaks with its processes through an open file, which npx has closed; start node_modules/.bin/ditlab itself, or give mpiexec the option -pmi-port",
    );
  }
}
