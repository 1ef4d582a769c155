// Imports the program: from the build in an installed package, in a checkout from the sources (through tsx), or from the
// build where that is as new as they are, since the first start from 600 sources takes half a minute.
import { existsSync } from "node:fs";

const root = new URL("../", import.meta.url);
const built = (path) => new URL(`dist/${path}.js`, root);

async function isBuilt() {
  const check = built("kernel/install/build");
  return existsSync(check) && (await import(check.href)).isBuilt();
}

const fromSources = existsSync(new URL("lib/index.ts", root)) && !(await isBuilt());
if (fromSources) {
  // The build makes it; an installation without scripts has not.
  if (!existsSync(new URL("lib/tensor/registrations.js", root)))
    await (await import("./tensor/bundle-registrations.js")).writeRegistrations();
  const { register } = await import("tsx/esm/api");
  register();
}

/** Imports a module by its path in the repository, without its ending. */
export const load = (path) => import((fromSources ? new URL(`${path}.ts`, root) : built(path)).href);
