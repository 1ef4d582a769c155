/**
 * Python's pickle format as data: a stack machine that builds lists, dictionaries and objects, and calls nothing. What
 * a pickle would call in Python is looked up in a table of the caller's; what is not there becomes an opaque value.
 */
import { byteReader } from "./bytes.ts";

/** A function or class by its name. */
export class Global {
  constructor(readonly name: string) {}
}

/**
 * An object of a class, or the result of a function, that is not known here: its name, what it was made of, its
 * attributes, and what was put into it.
 */
export class PythonObject {
  state: unknown;
  /** Where it is a kind of list or dictionary. */
  items?: unknown[] | Dict;
  constructor(
    readonly className: string,
    readonly args: readonly unknown[],
  ) {}
}

export type Dict = Map<unknown, unknown>;

export interface PickleRules {
  /** What known functions make of their arguments, by full name. Others make opaque values. */
  calls: ReadonlyMap<string, (...args: unknown[]) => unknown>;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
}

/** Where a list on the stack began. */
const MARK = Symbol("mark");

/**
 * Reads the pickle that begins at a position; returns its value and where it ends.
 * Lists and tuples become arrays, dictionaries maps, sets sets; objects of unknown classes, and what unknown functions
 * would return, `PythonObject`s.
 * @param what names the pickle in errors
 * @throws on an opcode that is not allowed, naming it, and on bytes that are no pickle.
 */
export function parsePickle(
  bytes: Uint8Array,
  rules: PickleRules,
  what: string,
  start = 0,
): { value: unknown; end: number } {
  const reader = byteReader(bytes, start, what);
  const fail = (problem: string): never => {
    throw new Error(`${what} ${problem}`);
  };
  const stack: unknown[] = [];
  const marks: number[] = [];
  const memo = new Map<number, unknown>();

  const pop = (): unknown => {
    const value = stack.length > 0 ? stack.pop() : MARK;
    return value === MARK
      ? fail(`is no pickle: nothing is left on its stack at byte ${reader.position()}`)
      : value;
  };
  const top = (): unknown => {
    const value = stack[stack.length - 1];
    return stack.length === 0 || value === MARK ? pop() : value;
  };
  /** What was pushed since the last mark. */
  const popMarked = (): unknown[] => {
    const mark = marks.pop() ?? fail(`is no pickle: a mark is missing at byte ${reader.position()}`);
    return stack.splice(mark).slice(1);
  };
  const expect = <T>(value: unknown, type: abstract new (...args: never[]) => T, name: string): T =>
    value instanceof type ? value : fail(`is no pickle: ${name} was expected at byte ${reader.position()}`);
  const list = (value: unknown): unknown[] => expect(value, Array, "a list");
  const global = (value: unknown): Global => expect(value, Global, "a global");
  const decimal = (): number => {
    const text = reader.line();
    return /^\d{1,9}$/.test(text)
      ? Number(text)
      : fail(`is no pickle: it has the index ${JSON.stringify(text.slice(0, 20))}`);
  };
  const recall = (index: number): unknown =>
    memo.has(index) ? memo.get(index) : fail(`is no pickle: it recalls ${index}, which it has not kept`);
  const push = (value: unknown): void => void stack.push(value);
  const tuple = (size: number): void => push(Array.from({ length: size }, pop).reverse());
  const setItems = (items: unknown[]): void => {
    const target = top();
    if (target instanceof PythonObject && !(target.items instanceof Map)) target.items = new Map();
    const holder = target instanceof PythonObject ? target.items : target;
    const dict: Dict = expect(holder, Map<unknown, unknown>, "a dictionary");
    for (let i = 0; i + 1 < items.length; i += 2) dict.set(items[i], items[i + 1]);
  };
  const append = (items: unknown[]): void => {
    const target = top();
    if (target instanceof PythonObject && !Array.isArray(target.items)) target.items = [];
    const holder = list(target instanceof PythonObject ? target.items : target);
    for (const item of items) holder.push(item);
  };
  /** What a call makes, of what is known here; else it stays a name and its arguments. */
  const call = (callee: unknown, args: unknown[]): unknown => {
    // A function that an opaque value would give, such as a method.
    if (callee instanceof PythonObject) return new PythonObject(`${callee.className}()`, args);
    const { name } = global(callee);
    const rule = rules.calls.get(name);
    return rule ? rule(...args) : new PythonObject(name, args);
  };
  /** Attributes of what is known here, such as the `_metadata` of a state dict, are not kept. */
  const build = (target: unknown, state: unknown): void => {
    if (target instanceof PythonObject) target.state = state;
  };

  const opcodes: Record<string, (() => void) | undefined> = {
    "(": () => {
      marks.push(stack.length);
      push(MARK);
    },
    "0": () => {
      if (stack[stack.length - 1] === MARK) marks.pop();
      stack.pop();
    },
    "1": () => void popMarked(),
    "2": () => push(top()),
    N: () => push(null),
    "\x88": () => push(true),
    "\x89": () => push(false),
    I: () => {
      const text = reader.line();
      push(text === "00" ? false : text === "01" ? true : integer(text));
    },
    L: () => push(integer(reader.line().replace(/L$/, ""))),
    J: () => push(reader.int32()),
    K: () => push(reader.uint(1)),
    M: () => push(reader.uint(2)),
    "\x8a": () => push(long(reader.take(reader.uint(1)))),
    "\x8b": () => push(long(reader.take(reader.int32()))),
    F: () => push(Number(reader.line())),
    G: () => push(reader.float64()),
    V: () => push(reader.line()),
    S: () => push(quoted(reader.line())),
    X: () => push(text(reader.take(reader.uint(4)))),
    "\x8c": () => push(text(reader.take(reader.uint(1)))),
    "\x8d": () => push(text(reader.take(reader.uint(8)))),
    T: () => push(text(reader.take(reader.int32()))),
    U: () => push(text(reader.take(reader.uint(1)))),
    B: () => push(reader.take(reader.uint(4))),
    C: () => push(reader.take(reader.uint(1))),
    "\x8e": () => push(reader.take(reader.uint(8))),
    "\x96": () => push(reader.take(reader.uint(8)).slice()),
    "]": () => push([]),
    a: () => append([pop()]),
    e: () => append(popMarked()),
    l: () => push(popMarked()),
    ")": () => push([]),
    t: () => push(popMarked()),
    "\x85": () => tuple(1),
    "\x86": () => tuple(2),
    "\x87": () => tuple(3),
    "}": () => push(new Map()),
    d: () => {
      const items = popMarked();
      push(new Map());
      setItems(items);
    },
    s: () => setItems([pop(), pop()].reverse()),
    u: () => setItems(popMarked()),
    "\x8f": () => push(new Set()),
    "\x90": () => {
      const items = popMarked();
      if (top() instanceof PythonObject) return append(items);
      const set: Set<unknown> = expect(top(), Set<unknown>, "a set");
      for (const item of items) set.add(item);
    },
    "\x91": () => push(new Set(popMarked())),
    g: () => push(recall(decimal())),
    h: () => push(recall(reader.uint(1))),
    j: () => push(recall(reader.uint(4))),
    p: () => void memo.set(decimal(), top()),
    q: () => void memo.set(reader.uint(1), top()),
    r: () => void memo.set(reader.uint(4), top()),
    "\x94": () => void memo.set(memo.size, top()),
    c: () => push(new Global(`${reader.line()}.${reader.line()}`)),
    "\x93": () => {
      const [name, module] = [pop(), pop()];
      push(new Global(`${String(module)}.${String(name)}`));
    },
    R: () => {
      const [args, callee] = [list(pop()), pop()];
      push(call(callee, args));
    },
    "\x81": () => {
      const [args, type] = [list(pop()), pop()];
      push(call(type, args));
    },
    "\x92": () => {
      const [, args, type] = [pop(), list(pop()), pop()];
      push(call(type, args));
    },
    // Python 2's instances of classes of its old kind.
    i: () => {
      const type = new Global(`${reader.line()}.${reader.line()}`);
      push(call(type, popMarked()));
    },
    o: () => {
      const [type, ...args] = popMarked();
      push(call(type, args));
    },
    b: () => {
      const state = pop();
      build(top(), state);
    },
    P: () => push(rules.persistent(reader.line())),
    Q: () => push(rules.persistent(pop())),
    "\x80": () => {
      const version = reader.uint(1);
      if (version > 5) fail(`is a pickle of protocol ${version}; expected at most 5`);
    },
    "\x95": () => void reader.uint(8),
  };

  for (;;) {
    const code = reader.uint(1);
    const opcode = String.fromCharCode(code);
    if (opcode === ".") return { value: pop(), end: reader.position() };
    const run =
      opcodes[opcode] ??
      fail(
        `has the opcode ${NOT_ALLOWED[opcode] ?? `0x${code.toString(16).padStart(2, "0")}`}, which is not allowed, at byte ${reader.position() - 1}`,
      );
    run();
  }

  function integer(digits: string): number | bigint {
    if (!/^\s*[+-]?\d{1,2500}\s*$/.test(digits)) fail(`is no pickle: '${digits.slice(0, 20)}' is no integer`);
    return narrow(BigInt(digits.trim().replace(/^\+/, "")));
  }
  /** Text as Python 2 shows it: in quotes, of which both are taken off. */
  function quoted(shown: string): string {
    const [, , inner] = /^(['"])(.*)\1$/s.exec(shown.trim()) ?? [];
    return inner ?? fail(`is no pickle: ${JSON.stringify(shown.slice(0, 20))} is no text in quotes`);
  }
  /** A little-endian two's complement of any length. */
  function long(digits: Uint8Array): number | bigint {
    if (digits.length > LONGEST_INTEGER) fail(`has an integer of ${digits.length} bytes`);
    if (digits.length === 0) return 0;
    const value = BigInt(`0x${Buffer.from(digits).reverse().toString("hex")}`);
    return narrow(BigInt.asIntN(8 * digits.length, value));
  }
}

/** An integer longer than this is no size, count or seed. */
const LONGEST_INTEGER = 1024;

/** Opcodes that other pickles have: they name classes by numbers, or take memory, from outside the file. */
const NOT_ALLOWED: Readonly<Record<string, string>> = {
  "\x82": "EXT1",
  "\x83": "EXT2",
  "\x84": "EXT4",
  "\x97": "NEXT_BUFFER",
  "\x98": "READONLY_BUFFER",
};

/** A number where it is exact. */
const narrow = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

const decoder = new TextDecoder();
const text = (bytes: Uint8Array): string => decoder.decode(bytes);
