/**
 * The names that cells have declared. Each cell is a source file of its own that stays as the compiler parsed it, and
 * sees the names as they were when it was compiled: a class that is declared again is another class, and what has the
 * old one as its type keeps that.
 */
import type ts from "typescript";
import { localsOf } from "./declarations.ts";
import type { TypeScript } from "./typescript.ts";

/** A name's declaration, which the cells after `cell` see until it is declared again. */
interface Meaning {
  readonly cell: number;
  readonly symbol: ts.Symbol;
  readonly file: ts.SourceFile;
}

/** The names that one cell sees. The compiler looks names up in it, and lists it for completions. */
type Names = ReadonlyMap<ts.__String, ts.Symbol>;

/** A file as the compiler walks through it while it looks for a name: from the inside to the outside. */
type ScopeFile = ts.SourceFile & { locals: Names; parent?: ts.Node; id?: number };

export interface Scope {
  /** The parent of the next cell's file, through which it sees what has been declared so far. */
  enter(): ts.SourceFile;
  /** Declares the names of a cell for those that come after it. */
  declare(file: ts.SourceFile, names: Iterable<readonly [string, ts.Symbol]>): void;
  /** What a name means now. */
  latest(name: string): ts.Symbol | undefined;
  /** What each name means now. */
  names(): [string, ts.Symbol][];
  /** Whether a symbol is a name of an earlier cell. */
  has(symbol: ts.Symbol): boolean;
  /** The cells that declare what may still be referred to, by their paths. */
  readonly files: ReadonlyMap<string, ts.SourceFile>;
  /** Forgets meanings that nothing refers to any more, and their cells but for `pinned`. */
  sweep(pinned: readonly ts.SourceFile[]): void;
}

export function createScope(ts: TypeScript, empty: ts.SourceFile): Scope {
  /** Of each name, oldest first. */
  const meanings = new Map<string, Meaning[]>();
  const files = new Map<string, ts.SourceFile>();
  /** When each cell was declared; it sees what was declared before. */
  const numbers = new WeakMap<ts.SourceFile, number>();
  let cells = 0;

  /** How many meanings of a name had been given when cell `at` was compiled. */
  const seenBy = (of: readonly Meaning[], at: number): number =>
    of.findLastIndex(({ cell }) => cell <= at) + 1;

  const meaningAt = (name: string, at: number): Meaning | undefined => {
    const of = meanings.get(name);
    return of?.[seenBy(of, at) - 1];
  };

  /** Whether a name keeps a meaning beside a later one of another kind: `type N` beside `const N`. */
  function isApart(earlier: ts.Symbol, later: ts.Symbol): boolean {
    const kinds = ts.SymbolFlags.Value | ts.SymbolFlags.Type | ts.SymbolFlags.Namespace;
    if (later.flags & ts.SymbolFlags.Alias) return false;
    return (earlier.flags & ts.SymbolFlags.Alias) !== 0 || (earlier.flags & kinds & ~later.flags) !== 0;
  }

  /** What a name still means beside its latest meaning. */
  function beneath(name: string, at: number): Meaning | undefined {
    const of = meanings.get(name);
    if (!of || of.length < 2) return undefined;
    const seen = seenBy(of, at);
    const latest = of[seen - 1];
    return latest && of.slice(0, seen - 1).findLast(({ symbol }) => isApart(symbol, latest.symbol));
  }

  function namesAt(at: number, find: typeof meaningAt): Names {
    const get = (name: ts.__String) => find(name as string, at)?.symbol;
    const all = () =>
      [...meanings.keys()].flatMap((name): [ts.__String, ts.Symbol][] => {
        const symbol = find(name, at)?.symbol;
        return symbol ? [[name as ts.__String, symbol]] : [];
      });
    return {
      get,
      has: (name) => get(name) !== undefined,
      entries: () => all().values(),
      keys: () => new Map(all()).keys(),
      values: () => new Map(all()).values(),
      forEach(body) {
        for (const [name, symbol] of all()) body(symbol, name, this);
      },
      get size() {
        return all().length;
      },
      [Symbol.iterator]: () => all().values(),
    };
  }

  /** An empty file with names, within which the compiler looks for those of what it stands around. */
  const around = (locals: Names, parent?: ts.Node): ScopeFile =>
    Object.assign(Object.create(empty) as ScopeFile, { locals, parent, id: 0 });

  return {
    files,
    enter() {
      const at = cells;
      const inner = around(namesAt(at, meaningAt), around(namesAt(at, beneath)));
      // What tslab takes for the file of all declarations, and asks for the names that it must write down: none.
      return around(new Map(), inner);
    },
    declare(file, names) {
      cells++;
      files.set(file.fileName, file);
      numbers.set(file, cells);
      for (const [name, symbol] of names) {
        const of = meanings.get(name) ?? [];
        of.push({ cell: cells, symbol, file });
        meanings.set(name, of);
      }
    },
    latest: (name) => meanings.get(ts.escapeLeadingUnderscores(name) as string)?.at(-1)?.symbol,
    names: () =>
      [...meanings].map(([name, of]) => [
        ts.unescapeLeadingUnderscores(name as ts.__String),
        of.at(-1)!.symbol,
      ]),
    has: (symbol) =>
      meanings.get(symbol.escapedName as string)?.some((meaning) => meaning.symbol === symbol) ?? false,
    sweep(pinned) {
      const kept = new Set<Meaning>();
      const seen = new Set(pinned);
      const waiting = [...pinned];
      const keep = (meaning: Meaning | undefined): void => {
        if (!meaning || kept.has(meaning)) return;
        kept.add(meaning);
        if (seen.has(meaning.file)) return;
        seen.add(meaning.file);
        waiting.push(meaning.file);
      };
      for (const name of meanings.keys()) for (const find of [meaningAt, beneath]) keep(find(name, cells));
      for (let file = waiting.pop(); file; file = waiting.pop()) {
        const { identifiers } = file as ts.SourceFile & { identifiers: ReadonlyMap<string, string> };
        const at = numbers.get(file)! - 1;
        for (const text of identifiers.keys()) {
          const name = ts.escapeLeadingUnderscores(text) as string;
          const own = localsOf(file).get(name);
          for (const find of [meaningAt, beneath]) {
            const meaning = find(name, at);
            // What the cell declares itself it does not look for elsewhere.
            if (meaning && (!own || isApart(meaning.symbol, own))) keep(meaning);
          }
        }
      }
      for (const [name, of] of meanings)
        meanings.set(
          name,
          of.filter((meaning) => kept.has(meaning)),
        );
      for (const [path, file] of files) if (!seen.has(file)) files.delete(path);
    },
  };
}
