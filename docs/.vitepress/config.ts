import { katex } from "@mdit/plugin-katex";
import { defineConfig } from "vitepress";
import { repositoryLinks } from "./site/links.ts";
import { ROOT, sitePages } from "./site/map.ts";
import { sidebar } from "./site/sidebar.ts";
import { githubSlug } from "./site/slug.ts";

export default defineConfig({
  title: "ditlab",
  description: "Diffusion transformers that teach themselves, in TypeScript",
  lang: "en",
  // Where the site lies on its host: DITLAB_DOCS_BASE=/ditlab/ for a project's pages.
  base: (process.env.DITLAB_DOCS_BASE ?? "/") as `/${string}/`,
  srcDir: ".vitepress/pages",
  cleanUrls: false,
  lastUpdated: false,
  head: [["link", { rel: "icon", href: `${process.env.DITLAB_DOCS_BASE ?? "/"}logo.svg` }]],
  markdown: {
    // Links between headings are those of GitHub, where the same pages are read.
    anchor: { slugify: githubSlug },
    config: (md) => {
      // Its types are of another copy of markdown-it's.
      katex(md as never, {
        throwOnError: false,
        // Vue is not to look into it.
        transformer: (html: string) => html.replace(/^(<[a-z]+)/, "$1 v-pre"),
      });
      repositoryLinks(md, sitePages());
      // Vue would evaluate what stands between two braces.
      md.renderer.rules.text = (tokens, index) =>
        md.utils.escapeHtml(tokens[index].content).replaceAll("{{", "&#123;&#123;");
    },
  },
  themeConfig: {
    logo: "/logo.svg",
    nav: [
      { text: "Start", link: "/start" },
      { text: "Notebooks", link: "/notebooks/" },
      { text: "Results", link: "/results/" },
      { text: "API", link: "/api" },
    ],
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    search: { provider: "local" },
    docFooter: { prev: "Previous", next: "Next" },
  },
  vite: {
    // The theme's packages are found from the repository's root.
    server: { fs: { allow: [ROOT] } },
    build: { chunkSizeWarningLimit: 3000 },
    logLevel: "warn",
  },
});
