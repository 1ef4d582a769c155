/** NVIDIA's compiler of kernels at run time: CUDA C++ to the machine code of one architecture. It needs no GPU. */
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import { candidatesFor, companionsOf, SETUP } from "./libraries.ts";

const P = "void *";

export interface Compiler {
  /** As `13.0`. */
  readonly version: string;
  /** What was loaded. */
  readonly file: string;
  /** Those that it compiles for, as 90. */
  readonly architectures: readonly number[];
  /** Machine code for an architecture, as `sm_90`, and what the compiler says of it. @throws with its errors */
  compile(text: string, architecture: string): Promise<{ code: Buffer; log: string }>;
}

/** `-v` tells the registers of a kernel, and what it spills. */
const OPTIONS = ["--std=c++17", "-w", "--ptxas-options=-v"];
/** Leaves out what kernels do not use of the language; older compilers do not know it. */
const MINIMAL = "--minimal";
const MINIMAL_SINCE = 13;

let compiler: Compiler | undefined;

/** Loads the compiler for a driver of a version. @throws saying where it was looked for */
export function openCompiler(driver: number): Compiler {
  if (compiler) return compiler;
  for (const path of candidatesFor("nvrtc", driver)) {
    try {
      compiler = compilerIn(path);
      return compiler;
    } catch {
      // The next one.
    }
  }
  throw new NoCompilerError(
    `jit: CUDA needs NVIDIA's compiler, libnvrtc, which was found neither by the loader nor in a toolkit or Python environment; bring it with: ${SETUP}`,
  );
}

/** NVRTC is not there. */
export class NoCompilerError extends Error {}

/** What a library was loaded with is held: it is unloaded with its object. */
const held: LibraryHandle[] = [];

/** The compiler in a file. @throws where it is something else */
export function compilerIn(file: string): Compiler {
  // It opens a second library by its name alone, which the loader knows once it has been loaded from beside it.
  for (const path of companionsOf(file)) held.push(koffi.load(path));
  return compilerOf(koffi.load(file), file);
}

function compilerOf(library: LibraryHandle, file: string): Compiler {
  type Native = KoffiFunc<(...args: unknown[]) => number>;
  const native = (name: string, ...parameters: string[]): Native =>
    library.func(name, "int", parameters) as Native;
  const errorText = library.func("nvrtcGetErrorString", "str", ["int"]);
  const api = {
    version: native("nvrtcVersion", P, P),
    count: native("nvrtcGetNumSupportedArchs", P),
    architectures: native("nvrtcGetSupportedArchs", P),
    create: native("nvrtcCreateProgram", P, "str", "str", "int", P, P),
    compile: native("nvrtcCompileProgram", P, "int", "str *"),
    logSize: native("nvrtcGetProgramLogSize", P, P),
    log: native("nvrtcGetProgramLog", P, P),
    codeSize: native("nvrtcGetCUBINSize", P, P),
    code: native("nvrtcGetCUBIN", P, P),
    destroy: native("nvrtcDestroyProgram", P),
  };
  const check = (status: number, what: string): void => {
    if (status !== 0) throw new Error(`NVRTC: ${what}: ${errorText(status)}`);
  };
  const bytes = (program: bigint, size: Native, get: Native): Buffer => {
    const count = new BigUint64Array(1);
    check(size(program, count), "size");
    const data = Buffer.alloc(Number(count[0]));
    check(get(program, data), "result");
    return data;
  };
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  check(api.version(major, minor), "version");
  const count = new Int32Array(1);
  check(api.count(count), "architectures");
  const architectures = new Int32Array(count[0]);
  check(api.architectures(architectures), "architectures");
  const options = major[0] < MINIMAL_SINCE ? OPTIONS : [...OPTIONS, MINIMAL];
  return {
    version: `${major[0]}.${minor[0]}`,
    file,
    architectures: [...architectures],
    async compile(text, architecture) {
      const handle = new BigUint64Array(1);
      check(api.create(handle, text, "kernel.cu", 0, null, null), "program");
      const [program] = handle;
      try {
        const flags = [`--gpu-architecture=${architecture}`, ...options];
        // On a thread of the pool, so that several are compiled at once.
        const status = await new Promise<number>((resolve, reject) =>
          api.compile.async(program, flags.length, flags, (error: Error | null, status: number) =>
            error ? reject(error) : resolve(status),
          ),
        );
        const log = bytes(program, api.logSize, api.log).toString("utf8").replace(/\0+$/, "");
        if (status !== 0) throw new Error(`${errorText(status)}: ${log}`);
        return { code: bytes(program, api.codeSize, api.code), log };
      } finally {
        api.destroy(handle);
      }
    },
  };
}
