/** The look of a notebook's page: one column, light or dark as the reader's system is. */

const COLOURS = {
  light: ["#ffffff", "#1b1f24", "#f5f6f8", "#5b6570", "#d8dce1", "#0b63b5"],
  dark: ["#15181c", "#dfe3e8", "#1e2329", "#98a2ad", "#353c45", "#6cb2f5"],
} as const;
const NAMES = ["page", "ink", "box", "dim", "line", "link"];
const CODE = {
  light: { keyword: "#8a2da5", string: "#1a7f37", number: "#0b63b5", comment: "#6a737d", title: "#7a4b00" },
  dark: { keyword: "#d3a4f0", string: "#8fd19e", number: "#7cc0ff", comment: "#8b949e", title: "#e8c07d" },
} as const;
const ANSI = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
const ANSI_COLOURS = ["#555b63", "#cf3a3a", "#2f8f46", "#a57705", "#2f6fd0", "#9a4dbd", "#1b8a95", "#9aa3ad"];

const variables = (theme: "light" | "dark") =>
  [
    ...COLOURS[theme].map((colour, i) => `--${NAMES[i]}:${colour}`),
    ...Object.entries(CODE[theme]).map(([name, colour]) => `--code-${name}:${colour}`),
  ].join(";");

const ansi = ANSI.map(
  (name, i) =>
    `.ansi-${name}-fg,.ansi-bright-${name}-fg{color:${ANSI_COLOURS[i]}}.ansi-${name}-bg,.ansi-bright-${name}-bg{background:${ANSI_COLOURS[i]};color:#fff}`,
).join("");

export const PAGE_STYLE = `
:root{color-scheme:light dark;${variables("light")}}
@media (prefers-color-scheme:dark){:root{${variables("dark")}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.6 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}
a{color:var(--link)}
h1,h2,h3{line-height:1.25;margin:1.6em 0 0.5em}h1{font-size:2rem;margin-top:0}h2{font-size:1.4rem}h3{font-size:1.1rem}
.text,.body{min-width:0}.text{max-width:46rem;margin-left:4rem}
.code{display:grid;grid-template-columns:3.25rem minmax(0,1fr);gap:0.75rem;margin:1.1rem 0}
.count{color:var(--dim);font:0.8rem/1.5 ui-monospace,Menlo,Consolas,monospace;text-align:right;padding-top:0.7rem}
pre{font:0.86rem/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;margin:0.4rem 0;overflow-x:auto}
code{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:0.92em}
pre code{font-size:inherit}
.source,.text pre{background:var(--box);border-radius:6px;padding:0.7rem 0.9rem;margin:0}
.output{overflow-x:auto;margin:0.5rem 0;max-width:100%}
.output img,.output svg{max-width:100%}
.stdout,.stderr,.error{white-space:pre-wrap;overflow-wrap:anywhere}
.stderr{color:var(--dim);border-left:3px solid var(--line);padding-left:0.7rem}
.error{border-left:3px solid #cf3a3a;padding-left:0.7rem}
.text pre{margin:1em 0}.text img{max-width:100%}.output p:first-child{margin-top:0}
table{border-collapse:collapse;display:block;overflow-x:auto;max-width:100%}
:where(.output th,.output td){padding:0.2rem 0.6rem}.text th,.text td{border:1px solid var(--line);padding:0.3rem 0.7rem}.text th:not([align]){text-align:left}
summary{cursor:pointer;color:var(--link);padding:0.3rem 0}
blockquote{border-left:3px solid var(--line);margin:1em 0;padding-left:1em;color:var(--dim)}
math{font-size:1.08em}p:has(math[display="block"]){overflow-x:auto}math[display="block"]{overflow-x:auto;padding:0.3em 0}
.hljs-keyword,.hljs-built_in,.hljs-literal{color:var(--code-keyword)}.hljs-string,.hljs-regexp,.hljs-subst{color:var(--code-string)}
.hljs-number{color:var(--code-number)}.hljs-comment{color:var(--code-comment);font-style:italic}.hljs-title,.hljs-attr{color:var(--code-title)}
.ansi-bold{font-weight:600}.ansi-dim{opacity:0.6}${ansi}
@media (max-width:48rem){main{padding:1.25rem 0.9rem 3rem}.text{margin-left:0}.code{grid-template-columns:minmax(0,1fr);gap:0}.count{text-align:left;padding:0 0 0.2rem}.count br{display:none}.count small{margin-left:0.6em}}
@media print{.code{break-inside:avoid}}
`;
