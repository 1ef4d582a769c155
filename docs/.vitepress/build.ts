/**
 * Builds the site (`npm run docs`): gathers its pages, writes the API reference from the sources' comments, and has VitePress
 * make of both what any web server can serve. `npm run docs -- FOLDER` writes it elsewhere than to docs/.vitepress/dist.
 */
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";
import { build } from "vitepress";
import { assemble } from "./site/assemble.ts";

const here = dirname(fileURLToPath(import.meta.url));

async function writeReference(): Promise<void> {
  const app = await Application.bootstrapWithPlugins({
    options: join(here, "typedoc.json"),
    logLevel: "Error",
  });
  const project = await app.convert();
  if (!project) throw new Error("TypeDoc could not read lib; 'npm run lint' says why");
  await app.generateOutputs(project);
}

const started = Date.now();
const seconds = (): string => `${((Date.now() - started) / 1000).toFixed(0)} s`;
const out = resolve(process.argv[2] ?? join(here, "dist"));
await assemble();
await writeReference();
console.log(`pages and API reference: ${seconds()}`);
await build(dirname(here), { outDir: out });
console.log(`the site lies in ${out}: ${seconds()}`);
