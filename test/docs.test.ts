/** The examples of the documentation run and type-check, and its list of exports is the truth. */
import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commands as notebookCommands } from "../kernel/cli/main.ts";
import { commandLine } from "../lib/cli/main.ts";
import { ROW, withSource } from "./api-tables.ts";
import { temporaryFolder } from "./io/helpers.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

const isPage = (name: string): boolean => name.endsWith(".md") && !name.includes(".vitepress");
/** All pages below docs, by their paths from the root. */
const allPages = (await readdir(join(root, "docs"), { recursive: true }))
  .map((name) => `docs/${name.replaceAll("\\", "/")}`)
  .filter(isPage);
/** Those whose examples are run. The others show programs that take hours, or devices that are not here. */
const pages = [
  "README.md",
  "docs/start.md",
  "docs/jit.md",
  ...allPages.filter((page) => /^docs\/(concepts|guide|howto)\//.test(page)),
];
const folders = (await readdir(join(root, "lib"))).filter((name) =>
  existsSync(join(root, "lib", name, "index.ts")),
);

const IMPORT = /^import (type )?\{([^}]*)\} from "([^"]+)";\n/gm;

/** The ts blocks of a page as one program: its blocks continue one another, so imports may be repeated. */
function programOf(markdown: string): string {
  const imports = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) =>
    code
      .replace(IMPORT, (_, type = "", names: string, from: string) => {
        const all = imports.get(from) ?? new Set();
        for (const name of names.split(",").map((text) => text.trim())) if (name) all.add(type + name);
        imports.set(from, all);
        return "";
      })
      .replace(/^import .*\n/gm, (line) => {
        seen.add(line);
        return "";
      }),
  );
  const source = (from: string): string =>
    from.replace(/^ditlab(?:\/(.+))?$/, (_, folder) =>
      folder ? `../../lib/${folder}/index.ts` : "../../lib/index.ts",
    );
  const merged = [...imports].map(
    ([from, names]) => `import { ${[...names].join(", ")} } from "${source(from)}";\n`,
  );
  return [...seen, ...merged, ...blocks, "export {};\n"].join("");
}

const settings = ts.getParsedCommandLineOfConfigFile(
  join(root, "tsconfig.json"),
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
    },
  },
)!;

const complaints = (program: ts.Program, file: string): string[] =>
  ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(({ file, start = 0, messageText }) => {
    const line = file?.text.slice(0, start).split("\n").length;
    return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}\n${file?.text.split("\n")[(line ?? 1) - 1]}`;
  });

/** What a module exports, types included. */
function exportsOf(program: ts.Program, file: string): string[] {
  const checker = program.getTypeChecker();
  const symbol = checker.getSymbolAtLocation(program.getSourceFile(file)!);
  return checker.getExportsOfModule(symbol!).map(({ name }) => name);
}

/** Per page a program file, in a folder beside lib so that the specifiers and packages resolve. */
const workspace = await mkdtemp(join(root, "test/.docs-"));
process.on("exit", () => rmSync(workspace, { recursive: true, force: true }));
const programs = new Map(
  pages.map((page) => [page, join(workspace, page.replace(/\W/g, "-").concat(".mts"))]),
);
let checked: ts.Program;

test.before(async () => {
  for (const [page, file] of programs) {
    await writeFile(file, programOf(await readFile(join(root, page), "utf8")));
  }
  const indexes = folders.map((folder) => join(root, "lib", folder, "index.ts"));
  checked = ts.createProgram(
    [...programs.values(), ...indexes, join(root, "lib/index.ts")],
    // An example may define what only a reader would use.
    { ...settings.options, noUnusedLocals: false },
  );
});

for (const [page, file] of programs) {
  test(`${page}: the examples type-check`, () => {
    assert.equal(complaints(checked, file), []);
  });

  test(`${page}: the examples run`, async () => {
    const folder = await temporaryFolder();
    await cp(join(root, "test/fixtures"), folder, { recursive: true });
    await run(process.execPath, ["--import", import.meta.resolve("tsx"), file], { cwd: folder }).catch(
      async ({ stderr, message }: { stderr: string; message: string }) => {
        // Node quotes an assertion from the compiled text at the source's position: the line tells better.
        const line = Number(/\.mts:(\d+):/.exec(stderr)?.[1]);
        assert.unreachable(`${stderr || message}\n${(await readFile(file, "utf8")).split("\n")[line - 1]}`);
      },
    );
  });
}

test("docs/api.md lists exactly what each folder exports", async () => {
  const tables = await readFile(join(root, "docs/api.md"), "utf8");
  const listed = new Map<string, string[]>();
  for (const section of tables.split("\n## ").slice(1)) {
    const folder = /^`ditlab\/([a-z]+)`/.exec(section)?.[1] ?? section.slice(0, 20);
    listed.set(folder, [...section.matchAll(ROW)].map(([, name]) => name).sort());
  }
  assert.equal([...listed.keys()].sort(), [...folders].sort());
  for (const folder of folders) {
    const exported = exportsOf(checked, join(root, "lib", folder, "index.ts")).sort();
    assert.equal(listed.get(folder), exported, `ditlab/${folder}`);
  }
});

test("the tables carry the source's signatures and fields: else run npx tsx test/api-tables.ts", async () => {
  const page = await readFile(join(root, "docs/api.md"), "utf8");
  const [lines, expected] = [page, withSource(page, checked)].map((text) => text.split("\n"));
  assert.equal(lines.length, expected.length);
  lines.forEach((line, i) => {
    assert.is(line, expected[i]);
  });
  // The comparison sees what it is to see.
  assert.ok(lines.some((line) => line.startsWith("| `timeGrid` | `(steps: number, grid?: Grid)")));
  const stale = page.replace("| `timeGrid` | `(steps: number, grid", "| `timeGrid` | `(grid");
  assert.is(withSource(stale, checked), page);
  assert.is.not(stale, page);
});

/** The names that a type's text begins with, of its own type parameters: `<T extends Tree, U>`. */
function parametersOf(text: string): string[] {
  if (!text.startsWith("<")) return [];
  let depth = 0;
  const parts = [""];
  for (const letter of text) {
    if (letter === "<" && depth++ === 0) continue;
    if (letter === ">" && --depth === 0) break;
    if (letter === "," && depth === 1) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => /^\s*(?:const )?(\w+)/.exec(part)?.[1] ?? "");
}

test("every type that a signature names is exported, or known everywhere", async () => {
  const tables = await readFile(join(root, "docs/api.md"), "utf8");
  const rows = [...tables.matchAll(ROW)];
  const checker = checked.getTypeChecker();
  const everywhere = checker.getSymbolsInScope(
    checked.getSourceFile(join(root, "lib/index.ts"))!,
    ts.SymbolFlags.Type | ts.SymbolFlags.Value,
  );
  const known = new Set([...rows.map(([, name]) => name), ...everywhere.map(({ name }) => name)]);
  const unknown = rows.flatMap(([, name, , source = ""]) => {
    const text = source.replace(/^`+ ?/, "");
    const own = new Set(parametersOf(text));
    // The type of a value has no name of its own.
    const names = text.replace(/"[^"]*"|\btypeof \w+/g, "").matchAll(/\b[A-Z]\w+/g);
    const missing = [...names].map(([type]) => type).filter((type) => !known.has(type) && !own.has(type));
    return [...new Set(missing)].map((type) => `${type} of ${name}`);
  });
  assert.equal(unknown, []);
  assert.ok(known.has("Tensor") && known.has("AbortSignal") && !known.has("PRESETS"));
  assert.equal(parametersOf("<S extends A<B, C>, N = D, Own = unknown> (x: S)"), ["S", "N", "Own"]);
});

test("commands in the documentation have the options that they are shown with", async () => {
  const known = commandLine(notebookCommands());
  const files = ["README.md", "CONTRIBUTING.md", "notebooks/README.md", "kernel/README.md", ...allPages];
  let lines = 0;
  for (const file of files) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, block] of text.matchAll(/^```sh\n(.*?)^```$/gms))
      for (const line of block.replace(/\\\n/g, " ").split("\n")) {
        const [, rest] = /^(?:npx )?ditlab ([^#]*)/.exec(line) ?? [];
        if (rest === undefined) continue;
        lines += 1;
        const words = rest.trim().split(/\s+/);
        let command = known;
        for (let next = command; next; ) {
          command = next;
          next = command.commands.find((sub) => sub.name() === words[0])!;
          if (next) words.shift();
        }
        assert.not.ok(command === known || command.commands.length > 0, `${file}: ${line}`);
        for (const flag of words.filter((word) => /^--?[a-z]/.test(word)))
          assert.ok(
            command.options.some(({ long, short }) => long === flag || short === flag),
            `${file}: ${flag} in ${line}`,
          );
      }
  }
  assert.ok(lines > 20, String(lines));
});

test("ditlab exports what its folders export", () => {
  const all = folders.flatMap((folder) => exportsOf(checked, join(root, "lib", folder, "index.ts")));
  assert.equal(exportsOf(checked, join(root, "lib/index.ts")).sort(), [...new Set(all)].sort());
});

test.run();
