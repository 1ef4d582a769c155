/** What stands at the side of each page: all of the site in the order in which it is read. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES, sitePages } from "./map.ts";

export interface Entry {
  text: string;
  link?: string;
  collapsed?: boolean;
  items?: Entry[];
}

/** The first heading of a page, without marks. */
function titleOf(page: string): string {
  const text = readFileSync(join(PAGES, page), "utf8").replace(/^```[\s\S]*?^```/gm, "");
  return (
    /^# (.+)$/m
      .exec(text)?.[1]
      .replace(/[*`\\]/g, "")
      .replace(/\$([^$]*)\$/g, "$1") ?? page
  );
}

const entry = (page: string, text = titleOf(page)): Entry => ({
  text,
  link: `/${page.replace(/(^|\/)index\.md$|\.md$/, "$1")}`,
});

/** Pages of a folder of the site in the order of their names, without its index. */
const below = (folder: string, pages: Iterable<string>): Entry[] =>
  [...pages]
    .filter((page) => page.startsWith(`${folder}/`) && !page.endsWith("/index.md"))
    .sort()
    .map((page) => entry(page));

function referenceEntries(): Entry[] {
  const folder = join(PAGES, "reference");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => String(name).replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".md") && name !== "index.md")
    .sort()
    .map((name) => entry(`reference/${name}`, `ditlab/${name.replace(/(\/index)?\.md$/, "")}`));
}

export function sidebar(): Entry[] {
  const pages = new Set(sitePages().values());
  const group = (text: string, items: Entry[], collapsed?: boolean): Entry => ({
    text,
    items,
    ...(collapsed !== undefined && { collapsed }),
  });
  return [
    group("Start", [entry("start.md"), entry("demo.md")]),
    group("Concepts", [
      entry("concepts/sra.md"),
      entry("concepts/networks.md"),
      entry("concepts/interpolants.md"),
      entry("concepts/teacher.md"),
      entry("jit.md"),
    ]),
    group("How to", [
      ...["train", "ranks", "sample", "captions", "evaluate", "watch", "queue"].map((name) =>
        entry(`howto/${name}.md`),
      ),
      entry("probe.md"),
      entry("reproduce.md"),
      entry("devices.md"),
      entry("config.md"),
      entry("paper-scale.md"),
      entry("kernel.md"),
    ]),
    group("Front ends", [entry("front-ends/index.md", "Overview"), ...below("front-ends", pages)], true),
    group("Notebooks", [entry("notebooks/index.md", "Overview"), ...below("notebooks", pages)], false),
    group("The paper", [
      entry("paper.md"),
      entry("results/index.md"),
      ...below("results", pages),
      entry("references.md"),
      entry("gpu-measurements.md", "Measurements on a GPU"),
    ]),
    group("The library", [
      entry("guide/index.md", "Overview"),
      ...GUIDE.map((name) => entry(`guide/${name}.md`)),
    ]),
    group("API", [entry("api.md"), group("Reference", referenceEntries(), true)]),
    group("Project", [entry("changelog.md"), entry("contributing.md")]),
  ];
}

/** The pages of the guide, in the order in which they are read. */
const GUIDE = [
  "files",
  "networks",
  "processes",
  "methods",
  "training",
  "samplers",
  "pipelines",
  "dit",
  "probes",
  "data",
  "metrics",
  "jit",
  "experiments",
];
