/** NVRTC through koffi: CUDA C++ source to machine code. Needs no GPU and no driver. */
import koffi, { type LibraryHandle } from "koffi";

const NAMES = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "nvrtc64_130_0.dll", "nvrtc64_120_0.dll"];
const P = "void *";

export type Compiler = ReturnType<typeof openCompiler>;
export function openCompiler(names: readonly string[] = NAMES) {
  let library: LibraryHandle | undefined;
  for (const name of [process.env.DITLAB_NVRTC, ...names]) {
    if (!name || library) continue;
    try {
      library = koffi.load(name);
    } catch {
      // the next name
    }
  }
  if (!library) throw new Error(`no NVRTC library; looked for ${names.join(", ")}`);
  const found = library;
  const f = (name: string, result: string, parameters: string[]) => found.func(name, result, parameters);
  const api = {
    version: f("nvrtcVersion", "int", [P, P]),
    error: f("nvrtcGetErrorString", "str", ["int"]),
    create: f("nvrtcCreateProgram", "int", [P, "str", "str", "int", P, P]),
    compile: f("nvrtcCompileProgram", "int", [P, "int", "str *"]),
    logSize: f("nvrtcGetProgramLogSize", "int", [P, P]),
    log: f("nvrtcGetProgramLog", "int", [P, P]),
    codeSize: f("nvrtcGetCUBINSize", "int", [P, P]),
    code: f("nvrtcGetCUBIN", "int", [P, P]),
    destroy: f("nvrtcDestroyProgram", "int", [P]),
  };
  const check = (status: number, what: string, log = ""): void => {
    if (status !== 0) throw new Error(`NVRTC: ${what}: ${api.error(status)}${log && `\n${log}`}`);
  };
  const bytes = (program: bigint, size: typeof api.logSize, get: typeof api.log): Buffer => {
    const count = new BigUint64Array(1);
    check(size(program, count), "size");
    const data = Buffer.alloc(Number(count[0]));
    check(get(program, data), "result");
    return data;
  };
  const version = [new Int32Array(1), new Int32Array(1)];
  check(api.version(...version), "version");
  return {
    version: `${version[0][0]}.${version[1][0]}`,
    /** Machine code for one architecture, such as `sm_90`. */
    compile(source: string, arch: string, options: readonly string[] = ["--use_fast_math"]): Buffer {
      const handle = new BigUint64Array(1);
      check(api.create(handle, source, "kernel.cu", 0, null, null), "create");
      const [program] = handle;
      try {
        const flags = [`--gpu-architecture=${arch}`, "--std=c++17", "--minimal", "-w", ...options];
        const status: number = api.compile(program, flags.length, flags);
        if (status !== 0) check(status, arch, bytes(program, api.logSize, api.log).toString("latin1"));
        return bytes(program, api.codeSize, api.code);
      } finally {
        api.destroy(handle);
      }
    },
  };
}
