/**
 * Optimized models on disk. Optimizing is most of the time of compiling, and its result depends on nothing but the
 * model, onnxruntime and the machine: a file under the name of their hash, with a checksum behind the model, takes its
 * place in the next process. What cannot be read or written is compiled as if there were no cache.
 */
import { readFileSync } from "node:fs";
import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../fingerprint.ts";
import { cacheFolder } from "../../../home.ts";
import { writeWhole } from "../../../whole.ts";
import { runtimeVersion } from "./api.ts";
import { createSession, type Session, type SessionOptions } from "./session.ts";

/** Part of every name: raise it when what is stored, or how, changes. */
const FORMAT = 1;
/** Smaller graphs compile in less than a tenth of a second. */
const MIN_NODES = 1000;
/** More than this is not kept; the files that were used longest ago go first. */
const MAX_BYTES = 2 ** 30;
/** What a process that was ended left behind goes after an hour. */
const ABANDONED_MS = 3_600_000;
const CHECKSUM_BYTES = 32;
const MODEL = ".model";
const GUESS = ".guess";
const TEMPORARY = ".tmp";
/** The names of our files: the folder may be one that others keep things in. */
const OWN = /^[0-9a-f]{64}(\.model|\.guess|\.\d+-\d+\.tmp)$/;

const sha256 = (...parts: (string | Uint8Array)[]): Buffer => digestOf(parts);

/** `cache` of `jit` as a folder; undefined where nothing is to be cached. `DITLAB_JIT_CACHE=0` turns all of it off. */
export function folderOf(cache: boolean | string): string | undefined {
  if (!cache || process.env.DITLAB_JIT_CACHE === "0") return undefined;
  return typeof cache === "string" ? cache : cacheFolder("jit");
}

let machine: string | undefined;

/** What else than the model decides how it is optimized. */
function environment(): string {
  if (machine) return machine;
  let features = "";
  try {
    // Virtual machines do not name their processor; what it can do is what counts.
    features = /^(flags|Features)\s*:.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[0] ?? "";
  } catch {
    // Elsewhere than on Linux the model says it.
  }
  const { platform, arch } = process;
  machine = JSON.stringify([FORMAT, runtimeVersion(), platform, arch, cpus()[0]?.model, features]);
  return machine;
}

const keyOf = (...parts: (string | Uint8Array)[]): string => sha256(environment(), ...parts).toString("hex");

/** The model in a file's bytes; undefined unless it was written, whole, under this key. */
function verified(bytes: Buffer, key: string): Buffer | undefined {
  const model = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  return sha256(key, model).equals(bytes.subarray(model.length)) ? model : undefined;
}

/** Compiles a stored model; undefined where there is none that is right. */
async function loadSession(
  folder: string,
  key: string,
  options: SessionOptions,
): Promise<Session | undefined> {
  try {
    // At once and not later: what follows this call on the main thread, a trace, runs while the session is made.
    const model = verified(readFileSync(join(folder, key + MODEL)), key);
    return model && (await createSession(model, options, { without: null }));
  } catch {
    return undefined;
  }
}

/** A session made of what a program was the last time, before it is known what it is now. */
export interface Guess {
  readonly name: string;
  readonly key?: string;
  readonly session: Promise<Session | undefined>;
  taken: boolean;
}

/**
 * Begins to load what the program of this identity (a name and the structure of its arguments) was compiled to in an
 * earlier process. It counts only if the trace, which runs at the same time, turns out to be the same model.
 */
export function guessSession(folder: string, identity: readonly unknown[], options: SessionOptions): Guess {
  let name = "";
  let key: string | undefined;
  try {
    name = keyOf(JSON.stringify(identity));
    key = /^[0-9a-f]{64}$/.exec(readFileSync(join(folder, name + GUESS), "utf8"))?.[0];
  } catch {
    // Never compiled before.
  }
  const session = key ? loadSession(folder, key, options) : Promise.resolve(undefined);
  return { name, key, session, taken: false };
}

/** Frees a guess that was not used. */
export const dismiss = ({ taken, session }: Guess): void => {
  if (!taken) void session.then((loaded) => loaded?.release());
};

/** A session for a model of so many nodes: from the cache, or into it. */
export async function cachedSession(
  model: Uint8Array,
  nodes: number,
  without: readonly string[],
  folder: string,
  guess: Guess,
  options: SessionOptions,
): Promise<{ session: Session; cached: boolean }> {
  if (nodes < MIN_NODES) return { session: await createSession(model, options, { without }), cached: false };
  const key = keyOf(without.join(), model);
  guess.taken = guess.key === key;
  const stored = await (guess.taken ? guess.session : loadSession(folder, key, options));
  const session = stored ?? (await compileAndStore(model, without, folder, key, options));
  if (stored) void utimes(join(folder, key + MODEL), new Date(), new Date()).catch(() => {});
  if (!guess.taken && guess.name) await writeWhole(join(folder, guess.name + GUESS), key).catch(() => {});
  return { session, cached: stored !== undefined };
}

let temporaryFiles = 0;

async function compileAndStore(
  model: Uint8Array,
  without: readonly string[],
  folder: string,
  key: string,
  options: SessionOptions,
): Promise<Session> {
  const temporary = join(folder, `${key}.${process.pid}-${temporaryFiles++}${TEMPORARY}`);
  try {
    await mkdir(folder, { recursive: true });
    await (await open(temporary, "wx")).close();
  } catch {
    return createSession(model, options, { without });
  }
  try {
    const session = await createSession(model, options, { without, save: temporary }).catch(() => undefined);
    // A full disk fails the session that was to be written to it; any other error comes again.
    if (!session) return await createSession(model, options, { without });
    await store(folder, temporary, key).catch(() => {});
    return session;
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** Puts a written model in its place. */
async function store(folder: string, temporary: string, key: string): Promise<void> {
  const model = await readFile(temporary);
  if (model.length > MAX_BYTES / 4) return;
  await appendFile(temporary, sha256(key, model));
  const path = join(folder, key + MODEL);
  // Fails where something else than a file has the name, which is not ours to remove: then nothing is kept.
  await rename(temporary, path);
  await makeRoom(folder, MAX_BYTES);
}

/** Deletes the files that were used longest ago, until the rest is within a size. */
export async function makeRoom(folder: string, maxBytes: number): Promise<void> {
  const files = await Promise.all(
    (await readdir(folder))
      .filter((name) => OWN.test(name))
      .map(async (name) => {
        const path = join(folder, name);
        const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: Date.now() }));
        return { path, size, mtimeMs };
      }),
  );
  const old = Date.now() - ABANDONED_MS;
  const abandoned = files.filter(({ path, mtimeMs }) => path.endsWith(TEMPORARY) && mtimeMs < old);
  const kept = files.filter(({ path }) => path.endsWith(MODEL) || path.endsWith(GUESS));
  let bytes = 0;
  const surplus = kept
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
    .filter(({ size }) => {
      bytes += size;
      return bytes > maxBytes;
    });
  for (const { path } of [...abandoned, ...surplus]) await rm(path, { force: true }).catch(() => {});
}
