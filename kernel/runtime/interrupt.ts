/**
 * Stopping a cell. Compiled code calls the functions here (see engine/instrument.ts): its loops and functions look at
 * a flag that the socket thread sets, and what it awaits is given up.
 */
import vm from "node:vm";
import { FLAG } from "../protocol/channel.ts";
import { type Cell, livingCells, ownCell } from "./cell.ts";

export class KeyboardInterrupt extends Error {
  override name = "KeyboardInterrupt";
  constructor() {
    super("the cell was interrupted");
  }
}

/** What Node throws when a signal ends code that has no checks. */
export const isSignal = (error: unknown) =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED";

export const isInterrupt = (error: unknown): boolean => error instanceof KeyboardInterrupt || isSignal(error);

let flags: Int32Array = new Int32Array(4);

/** Whether the code that runs is to stop. */
const isToStop = (): boolean => Atomics.load(flags, FLAG.interrupt) !== 0;

/** Fails where the code that begins here was to stop while it was compiled. */
export function checkInterrupt(): void {
  if (isToStop()) throw new KeyboardInterrupt();
}

/** What ended code: an interrupt where that was to stop, though a call may have failed by it first (its child ended). */
export function orInterrupt(error: unknown): unknown {
  if (isInterrupt(error) || !isToStop()) return error;
  const interrupt = new KeyboardInterrupt();
  const [frames] = (error instanceof Error && /\n\s+at [\s\S]*$/.exec(String(error.stack))) || [""];
  interrupt.stack = `${interrupt}${frames}`;
  return interrupt;
}

/** What a check throws that found the flag set: whatever blocks the thread is to stop. */
const interruption = new KeyboardInterrupt();

/**
 * Names the memory shared with the socket thread; called once, when the kernel starts. A script's own constant is one
 * that the optimizing compiler knows, which makes a check in a loop one load and one branch.
 */
export function watchFlags(shared: Int32Array): void {
  flags = shared;
  for (const [name, value] of Object.entries({ __interrupt: shared, __interruption: interruption })) {
    vm.runInThisContext("(value) => { globalThis.__given = value }")(value);
    vm.runInThisContext(`const ${name} = globalThis.__given`);
  }
  delete (globalThis as Record<string, unknown>).__given;
}

/** How many signals the socket thread has sent to this process. */
export const signalsSent = (): number => Atomics.load(flags, FLAG.signals);

export function beginRun(cell: Cell): void {
  Atomics.store(flags, FLAG.interrupt, 0);
  Atomics.store(flags, FLAG.run, cell.run);
}

export function endRun(): void {
  Atomics.store(flags, FLAG.run, 0);
  Atomics.store(flags, FLAG.interrupt, 0);
}

/**
 * A promise with this key, set to true, finishes before its cell stops: giving it up would lose what only its result
 * holds, such as state that was handed over to be updated in place. A second stop gives it up all the same.
 */
const FINISH = Symbol.for("Jupyter.finish");

/** Gives up all that `cell` waits for: its awaits fail, its timers do not fire, its child processes are interrupted. */
export function stop(cell: Cell): void {
  const error = new KeyboardInterrupt();
  if (cell.interrupted) for (const giveUp of cell.finishing.keys()) giveUp(error);
  if (cell.interrupted) return;
  cell.interrupted = true;
  cell.controller.abort(error);
  for (const reject of cell.pending) reject(error);
  cell.pending.clear();
  for (const timer of cell.timers) clearTimeout(timer as NodeJS.Timeout);
  for (const timer of cell.timers) clearImmediate(timer as NodeJS.Immediate);
  cell.timers.clear();
  for (const child of cell.children) child.kill("SIGINT");
}

/** Stops what cells that have ended left running: timers, loops that await, child processes. */
export function stopForgotten(): void {
  Atomics.store(flags, FLAG.interrupt, 0);
  for (const cell of livingCells()) stop(cell);
}

function rethrow(error: unknown): void {
  const reason = orInterrupt(error);
  if (isInterrupt(reason)) throw reason;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null &&
    (typeof value === "object" || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

/** `value`, unless the cell is interrupted before it is settled. */
export function awaited(value: unknown): unknown {
  const cell = ownCell();
  if (!cell) return value;
  const finishes = isThenable(value) && (value as { [FINISH]?: unknown })[FINISH] === true;
  // What is to finish has begun, also where the stop came before the await.
  if ((cell.interrupted || isToStop()) && !finishes) return Promise.reject(new KeyboardInterrupt());
  if (!isThenable(value)) return value;
  if (finishes) return untilSecondStop(value, cell);
  return new Promise((resolve, reject) => {
    cell.pending.add(reject);
    // One reaction for each promise, and the functions themselves: V8 follows those when it writes a stack.
    settled(value, cell, reject).then(resolve, reject);
  });
}

async function settled(value: PromiseLike<unknown>, cell: Cell, reject: (reason: Error) => void) {
  try {
    return await value;
  } finally {
    cell.pending.delete(reject);
  }
}

/** `value`, unless the cell is stopped twice before it is settled. */
function untilSecondStop(value: PromiseLike<unknown>, cell: Cell): Promise<unknown> {
  let giveUp = (_reason: Error): void => {};
  const given = new Promise((resolve, reject) => {
    giveUp = reject;
    value.then(resolve, reject);
  });
  cell.finishing.set(giveUp, given);
  const done = (): boolean => cell.finishing.delete(giveUp);
  given.then(done, done);
  return given;
}

/** `promise`, or the interrupt of `cell` if that comes first and nothing is to finish. */
export function orInterrupted<T>(promise: Promise<T>, cell: Cell): Promise<T> {
  return new Promise((resolve, reject) => {
    const interrupted = async (error: Error): Promise<void> => {
      while (cell.finishing.size > 0) {
        await Promise.allSettled(cell.finishing.values());
        // The cell's code goes on from there to its next check.
        await new Promise((resolve) => setImmediate(resolve));
      }
      reject(error);
    };
    cell.pending.add(interrupted);
    promise.then(resolve, reject);
  });
}

type AnyIterable = Partial<AsyncIterable<unknown> & Iterable<unknown>>;

/** `iterable`, whose next value is not waited for once the cell is interrupted. */
function asyncIterable(iterable: AnyIterable): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const isAsync = typeof iterable[Symbol.asyncIterator] === "function";
      const iterator = isAsync
        ? iterable[Symbol.asyncIterator]!()
        : (iterable[Symbol.iterator]!() as unknown as AsyncIterator<unknown>);
      const next = async (step: unknown): Promise<IteratorResult<unknown>> => {
        try {
          const { done, value } = (await awaited(step)) as IteratorResult<unknown>;
          return { done, value: isAsync || done ? value : await awaited(value) };
        } catch (error) {
          // Its own `finally` runs, so that nothing goes on behind the stopped loop.
          if (isInterrupt(error)) void Promise.resolve(iterator.return?.()).catch(() => {});
          throw error;
        }
      };
      return {
        next: () => next(iterator.next()),
        ...(iterator.return ? { return: (value?: unknown) => next(iterator.return!(value)) } : {}),
      };
    },
  };
}

/** The functions that compiled code takes, by name. */
export const interruptRuntime = () => ({
  __rethrow: rethrow,
  __await: awaited,
  __asyncIterable: asyncIterable,
});

/** Timers of a stopped cell must not fire: notes them with their cell. */
export function trackTimers(): void {
  const originals = { setTimeout, setInterval, setImmediate };
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    const original = originals[name] as unknown as (
      callback: (...args: unknown[]) => void,
      ...rest: unknown[]
    ) => never;
    const tracked = (callback: (...args: unknown[]) => void, ...rest: unknown[]) => {
      const cell = ownCell();
      if (!cell || typeof callback !== "function") return original(callback, ...rest);
      const timer: NodeJS.Timeout = original(
        (...args: unknown[]) => {
          if (name !== "setInterval") cell.timers.delete(timer);
          callback(...args);
        },
        ...rest,
      );
      cell.timers.add(timer);
      return timer;
    };
    Object.defineProperties(tracked, Object.getOwnPropertyDescriptors(original));
    (globalThis as Record<string, unknown>)[name] = tracked;
  }
}
