/** Which file of the repository is which page of the site. */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** What VitePress builds from; made anew by each build. */
export const PAGES = join(ROOT, "docs/.vitepress/pages");

/** Pages that lie outside of `docs`. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "README.md": "index.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "kernel/README.md": "kernel.md",
  "notebooks/README.md": "notebooks/index.md",
  "bench/gpu/results/results.md": "gpu-measurements.md",
};

const filesBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => !path.includes("/."))
    .sort();

export const notebookFiles = (): string[] =>
  filesBelow("notebooks").filter((path) => /^notebooks\/[^/]+\.ipynb$/.test(path));

export const resultFiles = (): string[] =>
  filesBelow("docs/results").filter((path) => path.endsWith(".json"));

/** Pictures beside results. */
export const resultPictures = (): string[] =>
  filesBelow("docs/results").filter((path) => path.endsWith(".png"));

/** From a path in the repository to the page's path in the site, both with their endings. */
export function sitePages(): Map<string, string> {
  const pages = new Map<string, string>();
  for (const path of filesBelow("docs"))
    if (path.endsWith(".md")) pages.set(path, path.replace(/^docs\//, ""));
  for (const path of resultFiles()) pages.set(path, path.replace(/^docs\/(.*)\.json$/, "$1.md"));
  for (const path of notebookFiles()) pages.set(path, path.replace(/\.ipynb$/, ".md"));
  for (const [path, page] of Object.entries(ELSEWHERE)) pages.set(path, page);
  return pages;
}

/** What a folder is on the site, for links to folders. */
export const FOLDERS: Readonly<Record<string, string>> = {
  "docs/results": "results/index.md",
  "docs/front-ends": "front-ends/index.md",
  notebooks: "notebooks/index.md",
  kernel: "kernel.md",
  docs: "index.md",
};
