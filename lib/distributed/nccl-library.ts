/**
 * NVIDIA's NCCL, found at run time: sums over GPUs, by its documented functions and nothing else. Its communicators are asked not
 * to block, so that one that hangs can be given up.
 */
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import { NCCL, ncclCandidates } from "../jit/targets/cuda/libraries.ts";
import { deepStacks } from "../native-stacks.ts";

const P = "void *";
const I = "int";
const ADDRESS = "uint64_t";
/** `ncclUniqueId`, which functions are given as it is and not by its address. */
const ID_BYTES = 128;
const ID = koffi.struct({ internal: koffi.array("uint8_t", ID_BYTES, "Typed") });

/** Its numbers for types and operations. */
const FLOAT32 = 7;
const SUM = 0;
/** Its results that are no failures; the last one is of a rank whose peer has failed. */
const SUCCESS = 0;
const IN_PROGRESS = 7;
const REMOTE = 6;

/** The first version whose communicators need not block. */
const OLDEST = 21_400;

/**
 * `ncclConfig_t` as version 2.14 has it, by which a later one takes its defaults for all that came after: its size, a mark, the
 * version, and whether calls block.
 */
function configuration(): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 24n, true);
  view.setUint32(8, 0xcafebeef, true);
  view.setUint32(12, OLDEST, true);
  view.setInt32(16, 0, true);
  return bytes;
}

/** A version as it is written: NCCL counted 2.8.4 as 2804, and counts 2.30.7 as 23007. */
export function ncclVersion(code: number): string {
  const major = code < 10_000 ? 1000 : 10_000;
  return [Math.floor(code / major), Math.floor(code / 100) % (major / 100), code % 100].join(".");
}

type Native = KoffiFunc<(...args: unknown[]) => number>;

/** What of NCCL is used; a communicator is an address. */
export interface NcclLibrary {
  /** As `NCCL 2.30.7`. */
  readonly name: string;
  /** By which the ranks find each other: made by one of them. */
  newId(): Uint8Array;
  /** Begins a communicator on the current device, whose state says when it has begun. */
  initialize(size: number, id: Uint8Array, rank: number): bigint;
  /** Whether the last call on it is over. @throws NcclError of that call, and of what has been summed since */
  isReady(communicator: bigint): boolean;
  /** Sums arrays of float32 in their places, in order, once it is ready. */
  sum(communicator: bigint, arrays: readonly { pointer: bigint; count: number }[], stream: bigint): void;
  finalize(communicator: bigint): void;
  destroy(communicator: bigint): void;
  /** Waits for what is under way to stop, and must not be called on Node's own thread. */
  readonly abort: Native;
}

export class NcclError extends Error {
  /** Whether another rank has failed, and this one with it. */
  readonly isRemote: boolean;
  constructor(message: string, status: number) {
    super(message);
    this.isRemote = status === REMOTE;
  }
}

/** The library, or what was looked for where there is none that can be used. */
export function openNccl(): NcclLibrary | string {
  deepStacks();
  const refused: string[] = [];
  for (const path of ncclCandidates()) {
    try {
      const opened = ncclIn(koffi.load(path));
      if (typeof opened !== "string") return opened;
      refused.push(`${path} (${opened})`);
    } catch (error) {
      const [reason] = (error as Error).message.split("\n");
      refused.push(/cannot open shared object file/.test(reason) ? path : `${path} (${reason})`);
    }
  }
  return refused.join(", ") || NCCL;
}

function ncclIn(library: LibraryHandle): NcclLibrary | string {
  const native = (name: string, ...parameters: (string | typeof ID)[]): Native =>
    library.func(name, I, parameters) as Native;
  const word = new Int32Array(1);
  native("ncclGetVersion", P)(word);
  const name = `NCCL ${ncclVersion(word[0])}`;
  if (word[0] < OLDEST) return `${name}, expected ${ncclVersion(OLDEST)} or newer`;
  const errorString = library.func("ncclGetErrorString", "str", [I]);
  const lastError = library.func("ncclGetLastError", "str", [P]);
  const uniqueId = native("ncclGetUniqueId", P);
  const initialize = native("ncclCommInitRankConfig", P, I, ID, I, P);
  const asyncError = native("ncclCommGetAsyncError", P, P);
  const groupStart = native("ncclGroupStart");
  const groupEnd = native("ncclGroupEnd");
  const allReduce = native("ncclAllReduce", ADDRESS, ADDRESS, "size_t", I, I, P, P);
  const finalize = native("ncclCommFinalize", P);
  const destroy = native("ncclCommDestroy", P);
  const check = (status: number, what: string): void => {
    if (status === SUCCESS || status === IN_PROGRESS) return;
    const more: string | null = lastError(null);
    throw new NcclError(`${name}: ${what}: ${errorString(status)}${more ? ` (${more.trim()})` : ""}`, status);
  };
  return {
    name,
    newId() {
      const id = new Uint8Array(ID_BYTES);
      check(uniqueId(id), "ncclGetUniqueId");
      return id;
    },
    initialize(size, internal, rank) {
      const made = new BigUint64Array(1);
      check(initialize(made, size, { internal }, rank, configuration()), "ncclCommInitRankConfig");
      return made[0];
    },
    isReady(communicator) {
      check(asyncError(communicator, word), "ncclCommGetAsyncError");
      check(word[0], "the ranks' GPUs cannot go on");
      return word[0] === SUCCESS;
    },
    sum(communicator, arrays, stream) {
      check(groupStart(), "ncclGroupStart");
      const failed = arrays
        .map(({ pointer, count }) => allReduce(pointer, pointer, count, FLOAT32, SUM, communicator, stream))
        .find((status) => status !== SUCCESS && status !== IN_PROGRESS);
      const ended = groupEnd();
      check(failed ?? ended, failed === undefined ? "ncclGroupEnd" : "ncclAllReduce");
    },
    finalize: (communicator) => check(finalize(communicator), "ncclCommFinalize"),
    destroy: (communicator) => check(destroy(communicator), "ncclCommDestroy"),
    abort: native("ncclCommAbort", P),
  };
}
