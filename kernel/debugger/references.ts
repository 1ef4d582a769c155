/**
 * Values as a debugger's front end lists them, on the thread that has them: each with a short text, and a number by which
 * its parts are asked for. Nothing here calls the user's code: no getter, no proxy's trap, no `inspect` of a class.
 */
import { inspect, types } from "node:util";
import type { DapVariable } from "./dap.ts";

/** Parts that are listed at once; more are listed in groups. */
const GROUP = 100;
const MAX_TEXT = 500;

/** A part of a value: its name, how an expression goes on to reach it, and what it is. */
interface Part {
  readonly name: string;
  readonly path?: string;
  readonly value: unknown;
  /** A property that only its getter knows. */
  readonly isGetter?: boolean;
}

/** Something that has parts. */
interface Whole {
  readonly count: number;
  readonly isList: boolean;
  /** An expression that gives the whole; empty for a scope, whose parts are names. */
  readonly expression?: string;
  /** Where the first part is in a larger list. */
  readonly offset?: number;
  parts(start: number, end: number): Part[];
  /** Parts that are listed after all others, such as a list's own properties. */
  readonly rest?: Part[];
}

export interface References {
  /** A value under a name, with the expression that gives it. */
  variable(name: string, value: unknown, expression?: string): DapVariable;
  /** Refers to the variables of a scope; the earliest of a name counts. */
  scope(scopes: readonly object[], isHidden: (name: string) => boolean): number;
  /** The parts of what a number refers to. */
  parts(reference: number, start?: number, count?: number): DapVariable[];
  /** The object that a number refers to, and which its parts belong to. */
  owner(reference: number): object | undefined;
  /** Forgets all numbers. */
  clear(): void;
}

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function";

/** A value in a line. */
export function shortText(value: unknown): string {
  const options = {
    depth: 1,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 10,
    maxStringLength: MAX_TEXT,
  };
  let text: string;
  try {
    if (typeof value === "function") text = functionText(value);
    else if (types.isNativeError(value) && !types.isProxy(value)) text = errorText(value);
    else text = inspect(value, { ...options, compact: true, customInspect: false, getters: false });
  } catch {
    text = typeof value;
  }
  text = text.replace(/\s*\n\s*/g, " ");
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

const ownValue = (object: object, key: PropertyKey): unknown =>
  Object.getOwnPropertyDescriptor(object, key)?.value;

const functionText = (value: object): string =>
  types.isProxy(value) ? "Proxy" : inspect(value, { depth: 0, customInspect: false, compact: true });

function errorText(error: Error): string {
  const [stack, message] = [ownValue(error, "stack"), ownValue(error, "message")];
  if (typeof stack === "string") return stack.split("\n    at ", 1)[0];
  return typeof message === "string" ? `Error: ${message}` : "Error";
}

/** The name of a value's class, or of its type. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (!isObject(value)) return typeof value;
  if (types.isProxy(value)) return "Proxy";
  if (typeof value === "function")
    return /^class\b/.test(Function.prototype.toString.call(value)) ? "class" : "function";
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at)) {
    if (types.isProxy(at)) break;
    const made = ownValue(at, "constructor");
    if (typeof made === "function" && !types.isProxy(made)) {
      const name = ownValue(made, "name");
      if (typeof name === "string" && name !== "") return name;
    }
  }
  return "Object";
}

const isIdentifier = (name: string): boolean => /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name);

function propertyPart(object: object, key: string | symbol): Part {
  const name = typeof key === "string" ? key : `[${String(key)}]`;
  const path =
    typeof key === "symbol" ? undefined : isIdentifier(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  try {
    const property = Object.getOwnPropertyDescriptor(object, key);
    if (property && !("value" in property)) return { name, path, value: undefined, isGetter: true };
    return { name, path, value: property?.value };
  } catch (error) {
    // What a module has not come to declare yet.
    return { name, path, value: error };
  }
}

/** Keys of an object, in order; errors have theirs where they are not listed. */
const keysOf = (value: object): (string | symbol)[] =>
  types.isNativeError(value)
    ? Reflect.ownKeys(value).filter((key) => key !== "stack" || ownValue(value, "stack") !== undefined)
    : Reflect.ownKeys(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable);

function listOf(value: object, length: number, expression?: string): Whole {
  const own = Object.keys(value).length > length || Object.getOwnPropertySymbols(value).length > 0;
  const isIndex = (key: string | symbol) => typeof key === "string" && /^(0|[1-9]\d*)$/.test(key);
  return {
    count: length,
    isList: true,
    expression,
    parts: (start, end) =>
      Array.from({ length: end - start }, (_, i) => ({
        ...propertyPart(value, String(start + i)),
        path: `[${start + i}]`,
      })),
    rest:
      own && length <= 1e5
        ? keysOf(value)
            .filter((key) => !isIndex(key))
            .map((key) => propertyPart(value, key))
        : [],
  };
}

function* between<T>(items: Iterable<T>, start: number, end: number): Generator<T> {
  let at = 0;
  for (const item of items) {
    if (at >= end) return;
    if (at++ >= start) yield item;
  }
}

const sizeOf = (prototype: object): (() => number) =>
  Object.getOwnPropertyDescriptor(prototype, "size")!.get!;
const mapSize = sizeOf(Map.prototype);
const setSize = sizeOf(Set.prototype);

function mapOf(value: Map<unknown, unknown>): Whole {
  const entry = ([key, item]: [unknown, unknown]): Part =>
    isObject(key)
      ? { name: shortText(key), value: { key, value: item } }
      : { name: shortText(key), value: item };
  return {
    count: mapSize.call(value),
    isList: true,
    parts: (start, end) => [...between(Map.prototype.entries.call(value), start, end)].map(entry),
  };
}

const setOf = (value: Set<unknown>): Whole => ({
  count: setSize.call(value),
  isList: true,
  parts: (start, end) =>
    [...between(Set.prototype.values.call(value), start, end)].map((item, i) => ({
      name: String(start + i),
      value: item,
    })),
});

/** What a value consists of; undefined where it has no parts. */
function wholeOf(value: unknown, expression?: string): Whole | undefined {
  if (!isObject(value) || types.isProxy(value)) return undefined;
  if (types.isMap(value)) return mapOf(value);
  if (types.isSet(value)) return setOf(value);
  if (Array.isArray(value)) return listOf(value, value.length, expression);
  if (types.isTypedArray(value)) return listOf(value, value.length, expression);
  const keys = keysOf(value);
  if (keys.length === 0) return undefined;
  return {
    count: keys.length,
    isList: false,
    expression,
    parts: (start, end) => keys.slice(start, end).map((key) => propertyPart(value, key)),
  };
}

/** The variables of scopes, the innermost first. */
function scopeWhole(scopes: readonly object[], isHidden: (name: string) => boolean): Whole {
  const owners = new Map<string, object>();
  for (const scope of scopes)
    for (const key of Object.keys(scope)) if (!owners.has(key) && !isHidden(key)) owners.set(key, scope);
  const isCode = (value: unknown) => typeof value === "function";
  const parts = [...owners].map(([name, scope]): Part => ({ ...propertyPart(scope, name), path: name }));
  // Data first: a notebook has many functions and imports that nobody looks for here.
  const sorted = [
    ...parts.filter(({ value }) => !isCode(value)),
    ...parts.filter(({ value }) => isCode(value)),
  ];
  return {
    count: sorted.length,
    isList: false,
    expression: "",
    parts: (start, end) => sorted.slice(start, end),
  };
}

/** Some of the parts of a list or object with many. */
const groupOf = (whole: Whole, start: number, end: number): Whole => ({
  ...whole,
  count: end - start,
  offset: (whole.offset ?? 0) + start,
  parts: (from, to) => whole.parts(start + from, start + to),
  rest: [],
});

export function createReferences(): References {
  const wholes = new Map<number, { whole: Whole; owner?: object }>();
  let last = 0;
  const refer = (whole: Whole, owner?: object): number => {
    wholes.set(++last, { whole, owner });
    return last;
  };

  function variable(name: string, value: unknown, expression?: string): DapVariable {
    const whole = wholeOf(value, expression);
    return {
      name,
      value: shortText(value),
      type: typeName(value),
      ...(expression === undefined ? {} : { evaluateName: expression }),
      variablesReference: whole ? refer(whole, value as object) : 0,
      ...(whole ? { [whole.isList ? "indexedVariables" : "namedVariables"]: whole.count } : {}),
    };
  }

  function partVariable({ expression }: Whole, { name, path, value, isGetter }: Part): DapVariable {
    if (isGetter) return { name, value: "(getter)", type: "getter", variablesReference: 0 };
    const known = expression !== undefined && path !== undefined;
    return variable(name, value, known ? `${expression}${path}` : undefined);
  }

  /** A whole with many parts as groups of up to a hundred, of which each may be groups again. */
  function groups(whole: Whole): DapVariable[] {
    const { offset = 0 } = whole;
    let size = GROUP;
    while (whole.count / size > GROUP) size *= GROUP;
    return Array.from({ length: Math.ceil(whole.count / size) }, (_, i) => {
      const [start, end] = [i * size, Math.min((i + 1) * size, whole.count)];
      const name = `[${offset + start} … ${offset + end - 1}]`;
      return { name, value: "", type: "", variablesReference: refer(groupOf(whole, start, end)) };
    });
  }

  return {
    variable,
    scope: (scopes, isHidden) => refer(scopeWhole(scopes, isHidden)),
    parts(reference, start, count) {
      const whole = wholes.get(reference)?.whole;
      if (!whole)
        throw new Error(`variablesReference: ${reference} refers to nothing, or to a value of before`);
      const listed = (parts: Part[]) => parts.map((part) => partVariable(whole, part));
      if (count) return listed(whole.parts(start ?? 0, Math.min((start ?? 0) + count, whole.count)));
      const rest = listed(whole.rest ?? []);
      if (whole.count > GROUP && whole.expression !== "") return [...groups(whole), ...rest];
      return [...listed(whole.parts(0, whole.count)), ...rest];
    },
    owner: (reference) => wholes.get(reference)?.owner,
    clear: () => wholes.clear(),
  };
}
