/**
 * Links of the repository as links of the site. A page says `../notebooks/README.md`, as GitHub wants it; the site has that
 * page elsewhere. What is in the repository and not on the site (source files) loses its link and keeps its text.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { FOLDERS, ROOT } from "./map.ts";

/** What markdown-it's tokens have that is needed here. */
interface Token {
  type: string;
  children: Token[] | null;
  hidden: boolean;
  content: string;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
}
interface State {
  tokens: Token[];
  env: { relativePath?: string };
}
export interface MarkdownIt {
  core: { ruler: { push(name: string, rule: (state: State) => void): void } };
}

/** The site's address of what a page of the repository links to; undefined where the site has no such page. */
export function siteLink(
  href: string,
  source: string,
  pages: ReadonlyMap<string, string>,
): string | undefined {
  if (/^([a-z]+:|#|\/)/i.test(href)) return href;
  const [path, anchor] = href.split("#");
  const target = posix.normalize(posix.join(posix.dirname(source), decodeURI(path))).replace(/\/$/, "");
  const page = pages.get(target) ?? pages.get(target.replace(/\.md$/, ".json")) ?? FOLDERS[target];
  if (page !== undefined) return `/${page}${anchor === undefined ? "" : `#${anchor}`}`;
  if (!existsSync(join(ROOT, target)))
    throw new Error(`${source} links to ${href}, and there is no file ${target}`);
  return undefined;
}

/** A picture in `docs/images` is served from the site's root. */
const siteImage = (src: string, source: string): string =>
  /^([a-z]+:|\/)/i.test(src)
    ? src
    : `/${posix.join(posix.dirname(source), decodeURI(src)).replace(/^docs\//, "")}`;

/**
 * A drawing in the colour of the text becomes part of the page, where it follows the page's theme; as a file it would follow
 * the system's, by a style that a page may not have.
 */
function inlineDrawing(token: Token, source: string): boolean {
  const path = posix.join(posix.dirname(source), token.attrGet("src") ?? "");
  if (!path.endsWith(".svg")) return false;
  const svg = readFileSync(join(ROOT, path), "utf8");
  if (!svg.includes("currentColor")) return false;
  token.type = "html_inline";
  token.content = `<span class="figure-inline" v-pre>${svg.replace(/<style>.*?<\/style>/s, "").replace(/>\s+</g, "><")}</span>`;
  return true;
}

function rewrite(tokens: readonly Token[], source: string, pages: ReadonlyMap<string, string>): void {
  let open: Token | undefined;
  for (const token of tokens) {
    if (token.children) rewrite(token.children, source, pages);
    if (token.type === "image" && !inlineDrawing(token, source))
      token.attrSet("src", siteImage(token.attrGet("src") ?? "", source));
    if (token.type === "link_open") {
      const link = siteLink(token.attrGet("href") ?? "", source, pages);
      if (link !== undefined) token.attrSet("href", link);
      else open = unlinked(token);
    } else if (token.type === "link_close" && open) open = void unlinked(token);
  }
}

/** An empty text in its place. */
function unlinked(token: Token): Token {
  token.type = "text";
  token.content = "";
  return token;
}

/** The rule for markdown-it. `pages` go from the repository to the site. */
export function repositoryLinks(md: MarkdownIt, pages: ReadonlyMap<string, string>): void {
  const sources = new Map([...pages].map(([source, page]) => [page, source]));
  md.core.ruler.push("repository-links", ({ tokens, env }) => {
    const page = env.relativePath ?? "";
    const source = sources.get(page);
    // The pages of the API reference link to each other as the site has them.
    if (source !== undefined && !page.startsWith("reference/")) rewrite(tokens, source, pages);
  });
}
