/** Declarations that are parsed when a cell needs them mean what they mean when they are parsed at once. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { outline } from "../../../kernel/engine/lazy.ts";
import { createNotebookProgram } from "../../../kernel/engine/program.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { openSession } from "./helpers.ts";

const ofNode = dirname(createRequire(import.meta.url).resolve("@types/node/package.json"));
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts"],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: ["node"],
  typeRoots: [dirname(ofNode)],
  strict: true,
};

const session = await openSession();

/** What is global, and what each module of Node exports, and of which types. */
function meaning(checker: ts.TypeChecker, at: ts.Node): Record<string, string[]> {
  const flags = ts.TypeFormatFlags.NoTruncation;
  const shown = (symbols: readonly ts.Symbol[]): string[] =>
    symbols
      .map((one) => {
        const value = checker.typeToString(checker.getTypeOfSymbolAtLocation(one, at), at, flags);
        const type = checker.getDeclaredTypeOfSymbol(one);
        const members = type.getProperties().map((member) => {
          const of = checker.getTypeOfSymbolAtLocation(member, at);
          // Symbols that are names are numbered as they come.
          const name = member.name.replace(/@\d+$/, "");
          return `${name}: ${checker.typeToString(of, at, flags)}`;
        });
        return `${one.name}: ${value}, ${checker.typeToString(type, at, flags)} {${members.sort()}}`;
      })
      .sort();
  const globals = checker
    .getSymbolsInScope(at, ts.SymbolFlags.Value | ts.SymbolFlags.Type | ts.SymbolFlags.Namespace)
    .filter(({ name }) => !name.startsWith('"'));
  const namespaces = globals.filter(({ flags }) => flags & ts.SymbolFlags.Namespace);
  const modules = [...checker.getAmbientModules(), ...namespaces].map(
    (one) => [one.name, shown(checker.getExportsOfModule(one))] as const,
  );
  return {
    globals: shown(globals),
    ...Object.fromEntries(modules.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

test("every module of Node has the exports and types that it has when all is parsed at once", async () => {
  const folder = await temporaryFolder();
  const notebook = createNotebookProgram({
    ts,
    compilerOptions: options,
    rootFiles: [],
    importFolders: [folder],
  });
  const { file } = notebook.enter("export {};\n");
  const program = notebook.program();
  const http2 = () => program.getSourceFile(join(ofNode, "http2.d.ts"))!.text.length;
  assert.ok(http2() < 100, `${http2()} characters of http2 before it is needed`);

  const path = join(folder, "whole.ts");
  const host = ts.createCompilerHost(options);
  const empty = ts.createSourceFile(path, "export {};\n", ts.ScriptTarget.ES2022);
  const whole = ts.createProgram([path], options, {
    ...host,
    getSourceFile: (name, ...others) => (name === path ? empty : host.getSourceFile(name, ...others)),
  });
  const expected = meaning(whole.getTypeChecker(), empty);
  const found = meaning(program.getTypeChecker(), file);
  assert.ok(Object.keys(expected).length > 60);
  assert.equal(Object.keys(found), Object.keys(expected));
  for (const [name, exported] of Object.entries(expected)) assert.equal(found[name], exported, name);
  assert.is(http2(), readFileSync(join(ofNode, "http2.d.ts"), "utf8").length);
});

test("cells use modules of Node, add to them and are told of wrong members", async () => {
  const { run, fails, engine } = session;
  assert.is(await run('import http2, { constants } from "node:http2"; constants.NGHTTP2_NO_ERROR'), 0);
  assert.match(await fails("http2.conect"), /TS2551.*Did you mean 'connect'\?/);
  // Types that Node's are made of elsewhere.
  assert.match(
    await fails('const fetched: number = await fetch("data:,")'),
    /'Response' is not assignable to type 'number'/,
  );
  assert.match(
    await fails('import { WebSocket } from "node:http"; const w: number = WebSocket'),
    /TS2322|TS2305/,
  );
  assert.is(
    await run(
      'declare module "node:zlib" { interface ZlibOptions { mine?: number } }\nconst o: import("node:zlib").ZlibOptions = { mine: 1, level: 2 }; o.level',
    ),
    2,
  );
  assert.match(engine.sourceOf("http2.connect") ?? "", /function connect\(/);
  // Of what a module adds to what is global, before and after the module's file is parsed.
  for (let i = 0; i < 2; i++) {
    assert.match(engine.sourceOf("setTimeout") ?? "", /^function setTimeout<TArgs extends any\[\]>\(/);
    assert.match(
      engine.inspect("console.log", 11, 1)?.documentation ?? "",
      /Prints to `stdout` with newline/,
    );
    await run('import console from "node:console"; import timers from "node:timers"; timers.setTimeout');
  }
  assert.match(await fails("createGunzip()"), /import \{ createGunzip \} from "node:zlib"/);
});

test("a notebook does not notice that the compiler practised", async () => {
  const { run, fails, engine } = session;
  const names = engine.names();
  engine.practise();
  assert.equal(engine.names(), names);
  assert.match(await fails("several"), /Cannot find name 'several'/);
  assert.is(await run("let several = 3; several"), 3);
  engine.practise();
  assert.is(await run("several"), 3);
});

test("a file is had in parts if it declares modules and nothing else", () => {
  const body = 'declare module "a" {\n  function f(): void;\n}\n';
  const two = `/**\n * Of a.\n */\n${body}// And so\ndeclare module 'node:a' {\n    export * from "a";\n}\n`;
  assert.is(outline(two), "declare module \"a\" {}\ndeclare module 'node:a' {}");
  for (const more of [
    ...["declare const x: 1;\n", 'import "b";\n', '/// <reference types="b" />\n', "export {};\n", "}\n"],
    ...['declare module "b";\n', 'declare module "b" {\n  global { var x: 1; }\n}\n'],
  ])
    assert.is(outline(body + more), undefined, more);
  assert.is(outline(""), undefined);
});

test("what a module adds to what is global stays where it is", () => {
  const text = 'declare module "a" {\n  type A = 1;\n  global {\n    var a: A;\n  }\n  type B = 2;\n}\n';
  const blank = (line: string) => " ".repeat(line.length);
  const lines = text.split("\n").map((line) => (line.includes("type") ? blank(line) : line));
  assert.is(outline(text), lines.join("\n").trimEnd());
});

test.run();
