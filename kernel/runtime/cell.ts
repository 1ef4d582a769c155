/** The cell that a piece of running code belongs to, also after awaits, in timers and in callbacks. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ChildProcess } from "node:child_process";
import type { Message } from "../protocol/message.ts";

export interface Cell {
  /** The request whose outputs these are. */
  readonly request: Message;
  readonly count: number;
  /** The number of this run, unlike any other's. */
  readonly run: number;
  /** Rejects what the cell's code is awaiting. */
  readonly pending: Set<(reason: Error) => void>;
  /** Rejects what it awaits that is let finish when the cell is stopped once, with the awaits themselves. */
  readonly finishing: Map<(reason: Error) => void, Promise<unknown>>;
  readonly timers: Set<NodeJS.Timeout | NodeJS.Immediate>;
  readonly children: Set<ChildProcess>;
  /** Outputs that are still being made; the cell is not done before. */
  readonly unfinished: Set<Promise<void>>;
  readonly controller: AbortController;
  interrupted: boolean;
  /** Payloads of the reply (the pager's pages). */
  readonly payload: Record<string, unknown>[];
}

const storage = new AsyncLocalStorage<Cell>();
let running: Cell | undefined;
let latest: Cell | undefined;
let runs = 0;

/** The cells that something still refers to: their code may go on after they have ended. */
const cells = new Set<WeakRef<Cell>>();

/** The cells whose code may still run, in timers and after awaits. */
export function livingCells(): Cell[] {
  const living: Cell[] = [];
  for (const reference of cells) {
    const cell = reference.deref();
    if (cell) living.push(cell);
    else cells.delete(reference);
  }
  return living;
}

export function createCell(request: Message, count: number): Cell {
  const cell: Cell = {
    request,
    count,
    run: ++runs,
    pending: new Set(),
    finishing: new Map(),
    timers: new Set(),
    children: new Set(),
    unfinished: new Set(),
    controller: new AbortController(),
    interrupted: false,
    payload: [],
  };
  // Each message of a front end's widgets is one as well, so those that are gone must not pile up.
  if (cells.size >= 1024 && cells.size % 1024 === 0) livingCells();
  cells.add(new WeakRef(cell));
  return cell;
}

/** The cell whose code is running, or that started it; outside of any, the last one. */
export const currentCell = (): Cell | undefined => storage.getStore() ?? running ?? latest;

/** The cell that started the running code; undefined where that is unknown. */
export const ownCell = (): Cell | undefined => storage.getStore();

export const runningCell = (): Cell | undefined => running;

/** Runs `body` as code that belongs to `cell`, beside the cell that runs, if any. */
export const withinCell = <T>(cell: Cell, body: () => T): T => storage.run(cell, body);

/** Runs `body` as the code of `cell`. */
export async function inCell<T>(cell: Cell, body: () => Promise<T>): Promise<T> {
  running = cell;
  latest = cell;
  try {
    return await storage.run(cell, body);
  } finally {
    running = undefined;
  }
}
