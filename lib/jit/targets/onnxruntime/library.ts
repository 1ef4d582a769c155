/** Where the library of onnxruntime is. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Which of two versions in names is later; names without one come first. */
const byVersion = new Intl.Collator("en", { numeric: true }).compare;

/**
 * The library for a machine in onnxruntime-node's folder `bin`: that of the latest interface, `napi-v<n>`, which has the
 * machine; of several files there, that of the latest version.
 */
export function libraryIn(bin: string, platform: string, arch: string): string {
  const interfaces = readdirSync(bin)
    .filter((name) => /^napi-v\d+$/.test(name))
    .sort(byVersion)
    .reverse();
  const folders = interfaces.map((name) => join(bin, name, platform, arch));
  const folder = folders.find((path) => existsSync(path));
  if (!folder)
    throw new Error(
      `onnxruntime-node has no library for ${platform} on ${arch}; expected it in ${folders[0] ?? join(bin, "napi-v<n>", platform, arch)}`,
    );
  return libraryOf("onnxruntime-node", folder);
}

function libraryOf(name: string, folder: string): string {
  const found = readdirSync(folder).sort(byVersion);
  const [file] = found
    .filter((name) => /^(lib)?onnxruntime\.(so(\.[\d.]+)?|dll|([\d.]+\.)?dylib)$/.test(name))
    .reverse();
  if (!file) throw new Error(`${name} has no library in ${folder}; found ${found.join(", ")}`);
  return join(folder, file);
}

/**
 * Where the library for a machine is, by what is installed. The package `onnxruntime-node` holds the libraries of all
 * machines (288 MB), and its script wants to download those for CUDA, so it is the user's to install: it is taken where it
 * is, since one process should have one onnxruntime. Otherwise it comes from a package for this machine alone, of
 * sherpa-onnx, which has no script.
 * @param folderOf where a package is, if it is installed
 * @throws naming what to install.
 */
export function libraryPath(
  platform: string,
  arch: string,
  folderOf: (name: string) => string | undefined,
): string {
  const chosen = folderOf("onnxruntime-node");
  if (chosen !== undefined) return libraryIn(join(chosen, "bin"), platform, arch);
  const name = `sherpa-onnx-${platform === "win32" ? "win" : platform}-${arch}`;
  const folder = folderOf(name);
  if (folder !== undefined) return libraryOf(name, folder);
  throw new Error(
    PACKAGES.includes(name)
      ? `jit: onnxruntime is missing, which ditlab's optional dependency ${name} brings; install it with: npm install --include=optional`
      : `jit: no onnxruntime comes with ditlab for ${platform} on ${arch}, only ${PACKAGES.join(", ")}; if onnxruntime-node has one, install it with: npm install onnxruntime-node --onnxruntime-node-install=skip`,
  );
}

/** As in package.json. */
export const PACKAGES = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win-x64"].map(
  (machine) => `sherpa-onnx-${machine}`,
);

/** The folder of a package, if it is installed. */
export function installed(name: string): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}
