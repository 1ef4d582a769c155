/**
 * Writes `registrations.js` beside this file, as a part of the build. In Node, `@tensorflow/tfjs-core` alone registers
 * neither gradients nor chained operations: these are modules of their own, written for bundlers, which Node cannot load.
 * The union package `@tensorflow/tfjs` holds them bundled, with 230 MB that nothing here uses. So they are bundled from
 * tfjs-core's own files; all that tfjs-core exports is taken from the instance that is given.
 */
import { readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export const REGISTRATIONS = fileURLToPath(new URL("registrations.js", import.meta.url));

const require = createRequire(import.meta.url);
const dist = realpathSync(dirname(require.resolve("@tensorflow/tfjs-core")));
const core = require("@tensorflow/tfjs-core");

/** Names that tfjs-core does not export, and where they are. */
const INTERNAL = {
  "environment.js": "export const env = core.env;",
  "engine.js": "export const ENGINE = core.engine();",
  "tensor.js":
    "export const getGlobalTensorClass = () => Tensor; export const { Tensor: TensorClass, TensorBuffer, Variable } = core; export { TensorClass as Tensor };",
};
/** Parts of tfjs-core that are exported as a whole, by file. */
const NAMESPACES = [
  "util",
  "backend_util",
  "broadcast_util",
  "slice_util",
  "tensor_util",
  "gather_util",
  "scatter_util",
];

/** A module's names out of the given instance; undefined where it does not export them all. */
function given(file) {
  const source = readFileSync(join(dist, file), "utf8");
  const names = new Set([
    ...(/^export \*/m.test(source) ? Object.keys(core) : []),
    ...[...source.matchAll(/^export (?:async )?(?:const|let|function|class) (\w+)/gm)].map(
      ([, name]) => name,
    ),
    ...[...source.matchAll(/^export \{([^}]*)\};/gm)].flatMap(([, list]) =>
      list.split(",").map((part) => part.trim().split(" as ").at(-1)),
    ),
  ]);
  // A module of helpers is found under its own name first: a helper may be called like an operation.
  const own = file.replace(/^.*\/|\.js$/g, "");
  const places = /util/.test(own) ? [own, ...NAMESPACES] : [""];
  const lines = [...names].map((name) => {
    const place = places.find((part) => (part === "" ? core : core[part])?.[name] !== undefined);
    return place === undefined ? undefined : `export const ${name} = core${place && `.${place}`}.${name};`;
  });
  return lines.includes(undefined) ? undefined : lines.join("\n");
}

const fromTheInstance = {
  name: "from the instance",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      const file = relative(dist, path).replaceAll("\\", "/");
      const own = /^(gradients|public\/chained_ops)\/|^register_all/.test(file);
      const contents = own ? undefined : (INTERNAL[file] ?? given(file));
      return { contents: contents ?? readFileSync(path, "utf8") };
    });
  },
};

/** The text of the file. */
export async function registrations() {
  const { outputFiles } = await build({
    stdin: {
      contents: 'import "./register_all_gradients"; import "./public/chained_ops/register_all_chained_ops";',
      resolveDir: dist,
    },
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    plugins: [fromTheInstance],
  });
  const code = outputFiles[0].text
    // The files that esbuild names depend on where the packages are.
    .replace(/^ *\/\/ .*node_modules.*\n/gm, "")
    .replace(/^ *\/\*\*?[\s\S]*?\*\/\n/gm, "")
    .replace(/^\n+/gm, "");
  // esbuild keeps what may have effects; reading what tfjs-core exports has none.
  const used = new Map();
  for (const [name] of code.matchAll(/[\w$]+/g)) used.set(name, (used.get(name) ?? 0) + 1);
  const needed = code.replace(/^ *var ([\w$]+) = core[\w.$]*\.([\w$]+);\n/gm, (line, name, from) =>
    used.get(name) === (name === from ? 2 : 1) ? "" : line,
  );
  const { version } = require("@tensorflow/tfjs-core/package.json");
  return `// Gradients and chained operations of @tensorflow/tfjs-core ${version}, bundled by bundle-registrations.js.
// Copyright Google LLC. Licensed under the Apache License, Version 2.0 (http://www.apache.org/licenses/LICENSE-2.0).

/** Registers all gradients, and gives tensors their methods. */
export function register(core, Tensor) {
${needed.replace(/^(?=.)/gm, "  ")}}
`;
}

/** Writes the file; what reads it meanwhile sees the one before, or all of the new one. */
export async function writeRegistrations() {
  const temporary = `${REGISTRATIONS}.${process.pid}.tmp`;
  writeFileSync(temporary, await registrations());
  renameSync(temporary, REGISTRATIONS);
}
