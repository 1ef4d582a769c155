// Builds `dist` (`npm run build`). npm does so itself before it packs, and when it installs from git.
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
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
rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [require.resolve("typescript/bin/tsc"), "-p", "tsconfig.build.json"],
  {
    cwd: root,
    stdio: "inherit",
  },
);
// The compiler leaves JavaScript where it is.
if (status === 0) copyFileSync(REGISTRATIONS, new URL("dist/lib/tensor/registrations.js", import.meta.url));
process.exit(status ?? 1);
