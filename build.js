// Builds `dist` (`npm run build`). npm does so itself before it packs, and when it installs from git.
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const require = createRequire(import.meta.url);
const isInstalled = (name) => {
  try {
    return require.resolve(`${name}/package.json`) !== "";
  } catch {
    return false;
  }
};

const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const needed = [
  "typescript",
  "esbuild",
  ...Object.keys(devDependencies).filter((name) => name.startsWith("@types/")),
];
const missing = needed.filter((name) => !isInstalled(name));
if (missing.length > 0) {
  // A package without `dist` would install, and fail at its first import.
  console.error(
    `ditlab cannot be built: ${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} not installed; run 'npm ci --include=dev' in ${root} first`,
  );
  process.exit(1);
}
const { REGISTRATIONS, writeRegistrations } = await import("./lib/tensor/bundle-registrations.js");
await writeRegistrations();
// Another folder may be named: the kernel builds beside an old build that is in use.
const out = resolve(root, process.argv[2] ?? "dist");
rmSync(out, { recursive: true, force: true });
const compiler = [require.resolve("typescript/bin/tsc"), "-p", "tsconfig.build.json", "--outDir", out];
const { status } = spawnSync(process.execPath, compiler, { cwd: root, stdio: "inherit" });
// The compiler leaves JavaScript where it is.
if (status === 0) copyFileSync(REGISTRATIONS, join(out, "lib/tensor/registrations.js"));
process.exit(status ?? 1);
