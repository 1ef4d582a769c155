// Builds `dist` (`npm run build`). npm does so itself before it packs, and when it installs from git.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const require = createRequire(import.meta.url);
const resolves = (specifier) => {
  try {
    return require.resolve(specifier) !== "";
  } catch {
    return false;
  }
};
// Some packages have nothing to import, others do not show their package.json.
const isInstalled = (name) => resolves(`${name}/package.json`) || resolves(name);

const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const needed = [
  "typescript",
  "esbuild",
  "anywidget",
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
if (status === 0) {
  copyFileSync(REGISTRATIONS, join(out, "lib/tensor/registrations.js"));
  // A bundle of its own, of whose dependencies the package needs none.
  const anywidget = dirname(dirname(require.resolve("anywidget")));
  const copies = join(out, "kernel/install/anywidget");
  mkdirSync(copies, { recursive: true });
  copyFileSync(join(anywidget, "dist/index.js"), join(copies, "index.js"));
  for (const name of ["LICENSE", "package.json"]) copyFileSync(join(anywidget, name), join(copies, name));
}
process.exit(status ?? 1);
