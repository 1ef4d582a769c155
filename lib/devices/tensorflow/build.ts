/** The addon: the npm package's sources, compiled and linked with TensorFlow's libraries by a C++ compiler. */
import { basename, dirname, join } from "node:path";
import { isMissing, type RunOptions, run } from "../setup-processes.ts";
import { LIBRARIES } from "./record.ts";
import { cudaLibraries, type Wheel } from "./wheel.ts";

/** Sources of the package. */
const SOURCES = ["tfjs_backend.cc", "tfjs_binding.cc"];
/** The interface of Node's that they are written for; every later Node has it. */
const NAPI_VERSION = 8;

/** The compiler: that of the environment, else GNU's. */
const compiler = (): string => process.env.CXX || "g++";

/** @throws where there is no compiler, with the command that installs one */
export async function checkCompiler(options: RunOptions): Promise<void> {
  const name = compiler();
  await run(name, ["--version"], options).catch((error) => {
    throw new Error(
      isMissing(error)
        ? `there is no ${name}, which compiles TensorFlow's addon; expected it in PATH, or another compiler's name in CXX: apt install g++`
        : `${name} does not run: ${(error as Error).message}`,
      { cause: error },
    );
  });
}

/** The compiler's arguments for the addon. */
export function compilerArguments(
  from: { sources: string; headers: string },
  wheel: Wheel,
  addon: string,
): string[] {
  const { folder } = wheel;
  // TensorFlow opens CUDA's libraries by name. Those that the addon itself needs are loaded by then, from where they lie.
  const cuda = wheel.hasCuda ? cudaLibraries(wheel) : [];
  const folders = [...new Set([folder, ...cuda.map(dirname)])];
  return [
    ...[
      "-std=c++17",
      "-O2",
      "-fPIC",
      "-shared",
      `-DNAPI_VERSION=${NAPI_VERSION}`,
      "-I",
      from.headers,
      "-I",
      join(folder, "include"),
    ],
    ...SOURCES.map((name) => join(from.sources, name)),
    ...["-o", addon],
    // Libraries' own search for others goes by the older kind of path alone.
    "-Wl,--disable-new-dtags",
    ...folders.flatMap((path) => ["-L", path, "-Xlinker", "-rpath", "-Xlinker", path]),
    ...LIBRARIES.map((name) => `-l:${name}`),
    ...(cuda.length > 0 ? ["-Wl,--no-as-needed", ...cuda.map((file) => `-l:${basename(file)}`)] : []),
  ];
}

/** @throws naming the version of TensorFlow, and what the compiler says */
export async function compile(
  from: { sources: string; headers: string },
  wheel: Wheel,
  addon: string,
  options: RunOptions,
): Promise<void> {
  await run(compiler(), compilerArguments(from, wheel, addon), options).catch((error: Error) => {
    throw new Error(
      `${compiler()} cannot compile the addon against TensorFlow ${wheel.version} in ${wheel.folder}: ${error.message}`,
      { cause: error },
    );
  });
}
