/**
 * What the thread that runs cells answers to the debugger, which lives on another thread and asks by having code
 * evaluated: that works while a cell runs, and while it is paused, too. Every answer is plain data.
 */
import { types } from "node:util";
import type { MimeBundle } from "../display/sink.ts";
import type { Engine } from "../engine/engine.ts";
import { type Place, placeIn, type RegisteredSource, sourceOfScript } from "../engine/sources.ts";
import { createCatchFinder } from "./caught.ts";
import { isCompiling } from "./compiling.ts";
import type { DapVariable } from "./dap.ts";
import { createReferences, shortText } from "./references.ts";
import { statementLines, withoutTypes } from "./syntax.ts";

/** Under which the debuggee is found; no name, which completions would offer. */
export const DEBUGGEE = "ditlab.kernel.debuggee";

/** What a script was made of. */
export interface ScriptOrigin {
  /** The name in stacks: of a cell, or the path of a module. */
  readonly name: string;
  /** The whole code of the cell; a module has none. */
  readonly cell?: string;
}

/** A position from 0, in the script of a source or in the text of another script. */
export interface ThrowPosition {
  readonly source?: number;
  readonly text?: string;
  readonly line: number;
  readonly column: number;
}

export type Evaluated = { readonly variable: DapVariable } | { readonly error: string };
/** Evaluates code in the place that it was made in. */
type Evaluator = (code: string) => unknown;

/** What is asked with plain data. */
export interface Debuggee {
  origins(sources: number[]): ScriptOrigin[];
  textOf(source: number): string;
  /** The places in the source of positions (line and column from 0) in its script; null for what the kernel added. */
  places(source: number, positions: [line: number, column: number][]): (Place | null)[];
  /** The lines of some code at which it could stop. */
  lines(code: string): number[];
  /** Whether something handles an exception that passes these positions, the innermost first. */
  isCaught(positions: ThrowPosition[]): boolean;
  /** Refers to the variables of the notebook, or to those that a module shares. */
  shared(source: number | null): number;
  isModule(source: number): boolean;
  parts(reference: number, start?: number, count?: number): DapVariable[];
  clear(): void;
  /** Whether the thread is in the midst of compiling, when nothing else may be asked. */
  isCompiling(): boolean;
}

/** What is asked with values: from code that is evaluated where the program is paused, or with the scopes of a frame. */
interface InPlace {
  scope(source: number | null, ...scopes: object[]): number;
  evaluate(source: number | null, code: string, evaluator: Evaluator): Evaluated;
  /** Sets a part of what a reference refers to. */
  assign(
    source: number | null,
    code: string,
    evaluator: Evaluator,
    reference: number,
    name: string,
  ): Evaluated;
  /** Makes the value of an expression a variable of the notebook. */
  copy(source: number | null, code: string, evaluator: Evaluator, name: string): Evaluated;
  show(source: number | null, code: string, evaluator: Evaluator, mayWait: boolean): ReturnType<Render>;
  holds(source: number | null, code: string, evaluator: Evaluator): boolean;
  log(source: number | null, text: string, evaluator: Evaluator): false;
}

export type InPlaceMethod = keyof InPlace;
type Render = (value: unknown) => MimeBundle | Promise<MimeBundle>;

/** The parameters of a script's function, which the kernel gives it. */
const GIVEN = new Set([
  ...["exports", "require", "__require", "module", "__filename", "__dirname", "__import", "__importMeta"],
  ...["__rethrow", "__await", "__asyncIterable"],
]);
/** What the value of a cell is called until it is shown. */
const LAST_VALUE = /^tsLastExpr\d*$/;

/** The checks of the kernel, at which nobody wants to stop. */
const CHECK = /^(if \(__interrupt\[0\]|__interrupt\[0\]|throw __interruption|__rethrow\()/;
/** How the compiled code shares what a cell or module has declared, after the declaration. */
const SHARING = /^exports\.([\w$]+) = \1;$/;

/** What stands before the expression whose value a cell has, or an arrow function. */
const ADDED = /^(exports\.tsLastExpr\d* = |return )/;

/** The error's text as a console shows it. */
const errorText = (error: unknown): string => shortText(error);

/** The part of `name = value` that puts names where free names of evaluated code are found last, while `body` runs. */
function withNames<T>(variables: Record<string, unknown>, body: () => T): T {
  const added = Object.keys(variables).filter(
    (name) => Object.getOwnPropertyDescriptor(globalThis, name)?.configurable !== false,
  );
  const before = added.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  for (const name of added)
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => variables[name],
      set(value) {
        variables[name] = value;
      },
    });
  try {
    return body();
  } finally {
    added.forEach((name, i) => {
      const own = before[i];
      if (own) Object.defineProperty(globalThis, name, own);
      else delete (globalThis as Record<string, unknown>)[name];
    });
  }
}

/**
 * An evaluator that knows the names which V8 hides: a constant of the cell around a function that does not use it is
 * kept nowhere that the function's frame could see, and V8 lets no global take its place.
 */
function withUnseen(variables: Record<string, unknown>, code: string, evaluator: Evaluator): Evaluator {
  const isUnseen = (name: string): boolean => {
    try {
      return evaluator(`typeof ${name}`) === "undefined";
    } catch {
      return true;
    }
  };
  const used = new Set(code.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu));
  const unseen = [...used].filter(
    (name) => Object.hasOwn(variables, name) && variables[name] !== undefined && isUnseen(name),
  );
  if (unseen.length === 0) return evaluator;
  return (text) => {
    const within = evaluator(`(${unseen.join(", ")}) => eval(${JSON.stringify(text)})`) as (
      ...values: unknown[]
    ) => unknown;
    return within(...unseen.map((name) => variables[name]));
  };
}

export function createDebuggee(engine: Engine, render: Render): Debuggee & InPlace {
  const { ts } = engine;
  const references = createReferences();
  const isCaughtAt = createCatchFinder(ts);
  const lines = new WeakMap<RegisteredSource, string[]>();

  function linesOf(source: RegisteredSource): string[] {
    let found = lines.get(source);
    if (found) return found;
    found = source.script.code.split("\n");
    lines.set(source, found);
    return found;
  }
  function placeOf(source: RegisteredSource, line: number, column: number): Place | null {
    const code = linesOf(source)[line] ?? "";
    const rest = code.slice(column);
    if (CHECK.test(rest) || SHARING.test(code.trim())) return null;
    let place = placeIn(source, line + 1, column + 1);
    // What the kernel puts before an expression stands for the expression.
    if (!place && ADDED.test(rest))
      for (let at = column + 1; !place && at < code.length; at++) place = placeIn(source, line + 1, at + 1);
    return place ?? null;
  }
  const variablesOf = (source: number | null): Record<string, unknown> =>
    (source === null ? undefined : sourceOfScript(source))?.variables ?? engine.variables;

  /** The value of an expression, or of statements; in TypeScript where it is no JavaScript. */
  function evaluated(source: number | null, code: string, evaluator: Evaluator): unknown {
    const variables = variablesOf(source);
    return withNames(variables, () => {
      const inPlace = withUnseen(variables, code, evaluator);
      const attempts = [() => `(${code}\n)`, () => code, () => withoutTypes(ts, code)];
      for (const [i, attempt] of attempts.entries()) {
        try {
          return inPlace(attempt());
        } catch (error) {
          if (!(error instanceof SyntaxError) || i === attempts.length - 1) throw error;
        }
      }
      return undefined;
    });
  }

  /** What `body` makes of the value of `code`, or what was thrown. */
  function attempt(
    source: number | null,
    code: string,
    evaluator: Evaluator,
    body: (value: unknown) => void = () => {},
  ): Evaluated {
    try {
      const value = evaluated(source, code, evaluator);
      body(value);
      return { variable: references.variable(code, value, code) };
    } catch (error) {
      return { error: errorText(error) };
    }
  }

  return {
    origins: (sources) =>
      sources.map((id) => {
        const { name, cell } = sourceOfScript(id)!;
        return { name, cell };
      }),
    textOf: (id) => sourceOfScript(id)?.text ?? "",
    places(id, positions) {
      const source = sourceOfScript(id);
      return positions.map(([line, column]) => (source ? placeOf(source, line, column) : null));
    },
    lines: (code) => statementLines(ts, code),
    isCaught: (positions) =>
      positions.some(({ source, text, line, column }) =>
        isCaughtAt({ text: text ?? sourceOfScript(source!)?.script.code ?? "", line, column }),
      ),
    isModule: (id) => sourceOfScript(id)?.cell === undefined,
    shared: (id) => references.scope([variablesOf(id)], (name) => LAST_VALUE.test(name)),
    parts: references.parts,
    clear: references.clear,
    isCompiling,
    scope(id, ...scopes) {
      const text = id === null ? undefined : sourceOfScript(id)?.text;
      // A name that the source does not have is the compiler's.
      const isHidden = (name: string) =>
        GIVEN.has(name) || LAST_VALUE.test(name) || text?.includes(name) === false;
      return references.scope(scopes, isHidden);
    },
    evaluate: (source, code, evaluator) => attempt(source, code, evaluator),
    assign: (source, code, evaluator, reference, name) =>
      attempt(source, code, evaluator, (value) => {
        const owner = references.owner(reference);
        if (!owner || types.isMap(owner) || types.isSet(owner))
          throw new Error(`${name} cannot be set: it is no property of an object`);
        if (!Reflect.set(owner, name, value)) throw new Error(`${name} cannot be set: it is read-only`);
      }),
    copy: (source, code, evaluator, name) =>
      attempt(source, code, evaluator, (value) => engine.declare(name, value)),
    show(source, code, evaluator, mayWait) {
      const value = evaluated(source, code, evaluator);
      const bundle = render(value);
      return bundle instanceof Promise && !mayWait ? { "text/plain": shortText(value) } : bundle;
    },
    holds(source, code, evaluator) {
      try {
        return Boolean(evaluated(source, code, evaluator));
      } catch {
        return false;
      }
    },
    log(source, text, evaluator) {
      const shown = (code: string): string => {
        try {
          const value = evaluated(source, code, evaluator);
          return typeof value === "string" ? value : shortText(value);
        } catch (error) {
          return errorText(error);
        }
      };
      console.log(text.replace(/\{([^{}]+)\}/g, (_, code) => shown(code)));
      return false;
    },
  };
}

/** Makes the debuggee answer. */
export function installDebuggee(engine: Engine, render: Render): void {
  let debuggee: (Debuggee & InPlace) | undefined;
  Object.defineProperty(globalThis, Symbol.for(DEBUGGEE), {
    // Made when a debugger first asks.
    get: () => (debuggee ??= createDebuggee(engine, render)),
  });
}
