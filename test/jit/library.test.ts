/** Which of onnxruntime's libraries is loaded does not depend on the order in which a folder lists them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { libraryIn, libraryPath, PACKAGES } from "../../lib/jit/targets/onnxruntime/library.ts";
import { temporaryFolder } from "../io/helpers.ts";

/** A folder `bin` with these files. */
async function folderOf(...files: string[]): Promise<string> {
  const bin = await temporaryFolder();
  for (const file of files) {
    mkdirSync(join(bin, file, ".."), { recursive: true });
    writeFileSync(join(bin, file), "");
  }
  return bin;
}
const chosen = async (platform: string, arch: string, ...files: string[]): Promise<string> => {
  const bin = await folderOf(...files);
  return libraryIn(bin, platform, arch).slice(bin.length + 1);
};

test("the latest interface that has the machine, by number", async () => {
  const files = ["napi-v3", "napi-v6", "napi-v10", ".DS_Store", "other"].map(
    (name) => `${name}/linux/x64/libonnxruntime.so.1`,
  );
  for (const order of [files, [...files].reverse()])
    assert.is(await chosen("linux", "x64", ...order), "napi-v10/linux/x64/libonnxruntime.so.1");
  const some = ["napi-v3/linux/arm64/libonnxruntime.so.1", "napi-v6/linux/x64/libonnxruntime.so.1"];
  assert.is(await chosen("linux", "arm64", ...some), "napi-v3/linux/arm64/libonnxruntime.so.1");
});

test("of several files the latest version of the library itself, and none of its companions", async () => {
  const linux = ["libonnxruntime.so.1.20.1", "libonnxruntime.so.1", "libonnxruntime_providers_shared.so"];
  const windows = ["DirectML.dll", "onnxruntime_providers_shared.dll", "onnxruntime.dll", "onnxruntime.lib"];
  const mac = ["libonnxruntime.1.9.0.dylib", "libonnxruntime.1.20.1.dylib", "onnxruntime_binding.node"];
  const within = (platform: string, names: string[]) =>
    chosen(platform, "x64", ...names.map((name) => `napi-v6/${platform}/x64/${name}`));
  for (const [platform, names, expected] of [
    ["linux", linux, "libonnxruntime.so.1.20.1"],
    ["win32", windows, "onnxruntime.dll"],
    ["darwin", mac, "libonnxruntime.1.20.1.dylib"],
  ] as [string, string[], string][])
    for (const order of [names, [...names].reverse()])
      assert.is(await within(platform, order), `napi-v6/${platform}/x64/${expected}`);
});

test("what is missing is named", async () => {
  const bin = await folderOf("napi-v6/linux/x64/readme.txt", "notes.txt");
  assert.throws(
    () => libraryIn(bin, "linux", "riscv64"),
    `onnxruntime-node has no library for linux on riscv64; expected it in ${join(bin, "napi-v6/linux/riscv64")}`,
  );
  assert.throws(
    () => libraryIn(bin, "linux", "x64"),
    `onnxruntime-node has no library in ${join(bin, "napi-v6/linux/x64")}; found readme.txt`,
  );
});

test("onnxruntime-node where it is installed, else the package for this machine", async () => {
  const folder = await folderOf(
    "onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1",
    "sherpa-onnx-linux-x64/libonnxruntime.so",
    "sherpa-onnx-linux-x64/libsherpa-onnx-c-api.so",
    "sherpa-onnx-win-x64/onnxruntime.dll",
    "sherpa-onnx-win-x64/onnxruntime_providers_shared.dll",
    "sherpa-onnx-darwin-arm64/libonnxruntime.dylib",
  );
  const among =
    (...names: string[]) =>
    (name: string) =>
      names.includes(name) ? join(folder, name) : undefined;
  for (const [platform, arch, name, file] of [
    ["linux", "x64", "sherpa-onnx-linux-x64", "libonnxruntime.so"],
    ["win32", "x64", "sherpa-onnx-win-x64", "onnxruntime.dll"],
    ["darwin", "arm64", "sherpa-onnx-darwin-arm64", "libonnxruntime.dylib"],
  ])
    assert.is(libraryPath(platform, arch, among(name)), join(folder, name, file));
  assert.is(
    libraryPath("linux", "x64", among("onnxruntime-node", "sherpa-onnx-linux-x64")),
    join(folder, "onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1"),
  );
  assert.throws(
    () => libraryPath("linux", "x64", among()),
    /onnxruntime is missing, which ditlab's optional dependency sherpa-onnx-linux-x64 brings; install it with/,
  );
  assert.throws(
    () => libraryPath("win32", "arm64", among()),
    /no onnxruntime comes with ditlab for win32 on arm64, only sherpa-onnx-linux-x64, .*npm install onnxruntime-node/,
  );
});

test("the packages that bring the library are those of package.json", async () => {
  const { optionalDependencies } = JSON.parse(await readFile("package.json", "utf8"));
  assert.equal(Object.keys(optionalDependencies).sort(), [...PACKAGES].sort());
});

test.run();
