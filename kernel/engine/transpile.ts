/**
 * Writes ES modules as CommonJS, as `ts.transpileModule` does, which makes a program and a checker for each text: more
 * work than most cells are. Here one program serves many.
 */
import type ts from "typescript";
import { alone, bindFile, named } from "./files.ts";
import type { TypeScript } from "./typescript.ts";

export interface Transpiled {
  readonly text: string;
  /** The source map, as JSON. */
  readonly map: string;
}

/** Writes the text of a module in JavaScript. */
export type Transpile = (text: string, transformers: ts.CustomTransformers) => Transpiled;

/** After how many texts the program is made anew, which frees what it knows of those that are gone. */
const TEXTS_A_PROGRAM = 400;

/** The name of what is written, in source maps. */
const NAME = "cell.js";

export function createTranspiler(ts: TypeScript, compilerOptions: ts.CompilerOptions): Transpile {
  // What nothing outside of the text has a say in.
  const closed = { noLib: true, noResolve: true, noCheck: true, isolatedModules: true, types: [] };
  const options = {
    ...compilerOptions,
    ...closed,
    suppressOutputPathCheck: true,
    allowNonTsExtensions: true,
  };
  const host: ts.CompilerHost = {
    getSourceFile: () => undefined,
    writeFile() {},
    getDefaultLibFileName: () => "lib.d.ts",
    useCaseSensitiveFileNames: () => true,
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => "",
    getNewLine: () => "\n",
    fileExists: () => false,
    readFile: () => undefined,
  };
  let program: ts.Program;
  let texts = 0;
  return (text, transformers) => {
    if (texts++ % TEXTS_A_PROGRAM === 0) program = ts.createProgram([], options, host);
    const file = bindFile(ts, alone(named(ts.createSourceFile(NAME, text, options.target!))), options);
    const written = { text: "", map: "" };
    const write = (name: string, content: string): void => {
      written[name.endsWith(".map") ? "map" : "text"] = content;
    };
    program.emit(file, write, undefined, false, transformers);
    return written;
  };
}
