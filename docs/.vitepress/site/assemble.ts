/** Gathers what the site is made of in one folder: pages of the repository, notebooks, results. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readNotebook } from "../../../kernel/notebook/format.ts";
import { PAGES, ROOT, resultFiles, resultPictures, sitePages } from "./map.ts";
import { notebookMarkdown } from "./notebook.ts";
import type { Attached } from "./outputs.ts";
import { readResult, resultPage, resultsIndex } from "./results.ts";

function write(path: string, content: string | Uint8Array): void {
  const file = join(PAGES, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** Files of one page. Pictures lie beside it, and pass through Vite; data are fetched, and lie in the public folder. */
function attachedTo(page: string): Attached {
  const folder = page.replace(/\.md$/, "");
  let count = 0;
  return {
    add(ending, bytes) {
      count += 1;
      const path = `${folder}/${count}.${ending}`;
      write(ending === "json" ? `public/${path}` : path, bytes);
      return ending === "json" ? `/${path}` : `./${path.replace(/^.*\/(?=[^/]+\/[^/]+$)/, "")}`;
    },
  };
}

/** What VitePress is told of a page that no file of the repository is. */
const generated = (markdown: string): string => `---\neditLink: false\n---\n\n${markdown}`;

async function pageOf(source: string, page: string): Promise<string> {
  const path = join(ROOT, source);
  if (source.endsWith(".ipynb")) {
    const name = source.replace(/^.*\/|\.ipynb$/g, "");
    return generated(notebookMarkdown(await readNotebook(path), name, attachedTo(page)));
  }
  if (source.endsWith(".json")) return generated(resultPage(readResult(source, ROOT), attachedTo(page)));
  return readFileSync(path, "utf8");
}

/** Makes `docs/.vitepress/pages` anew, but for the API reference. */
export async function assemble(): Promise<void> {
  rmSync(PAGES, { recursive: true, force: true });
  const results = new Set(resultFiles().map((path) => path.replace(/json$/, "md")));
  for (const [source, page] of sitePages()) {
    // The site's start page is docs/index.md; the tables of results are made from their JSON.
    if (source === "README.md" || results.has(source)) continue;
    write(page, await pageOf(source, page));
  }
  write(
    "results/index.md",
    generated(
      resultsIndex(
        resultFiles().map((path) => ({
          page: path.replace(/^docs\/(.*)\.json$/, "$1.md"),
          result: readResult(path, ROOT),
        })),
      ),
    ),
  );
  cpSync(join(ROOT, "docs/images"), join(PAGES, "public/images"), { recursive: true });
  for (const path of resultPictures())
    cpSync(join(ROOT, path), join(PAGES, "public", path.replace(/^docs\//, "")));
  cpSync(join(ROOT, "kernel/install/logo.svg"), join(PAGES, "public/logo.svg"));
}
