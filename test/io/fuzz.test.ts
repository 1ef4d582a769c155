/**
 * Damaged checkpoints: whatever the bytes, a file is read or refused in one sentence that names it. A crash, a hang or
 * a huge allocation ends the test run. DITLAB_FUZZ says how many inputs, DITLAB_SEED from which seed.
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ndarray, openWeights, readNpz, writeNpz, writeSafetensors, writeTorch } from "../../lib/io/index.ts";
import { type RandomGenerator, randomGenerator } from "../../lib/tensor/index.ts";
import { fixture } from "./helpers.ts";

const INPUTS = Number(process.env.DITLAB_FUZZ ?? 2000);
const SEED = Number(process.env.DITLAB_SEED ?? 7);
const MOST_MEGABYTES = 256;
const SLOWEST_MS = 5000;

const folder = mkdtempSync(join(tmpdir(), "ditlab-fuzz-"));
const weights = {
  w: ndarray(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
  b: ndarray(Float32Array.of(0.5), [1]),
};
await writeTorch(join(folder, "small.pt"), { ema: weights, model: weights, steps: 3, args: { lr: 1e-4 } });
await writeSafetensors(join(folder, "small.safetensors"), weights, { format: "pt" });
await writeNpz(join(folder, "small.npz"), weights);
const ELSEWHERE = [
  "nocrc.pt",
  "objects.pt",
  "types.pt",
  "types-legacy.pt",
  "tensors.pt",
  "module-checkpoint.pt",
  "nested.pt",
  "float8.safetensors",
  "kinds.npz",
];
const originals = [
  ...["small.pt", "small.safetensors", "small.npz"].map((name) => readFileSync(join(folder, name))),
  ...["torch-legacy.pt", "torch-dtypes.pt"].map((name) => readFileSync(fixture(name))),
  ...ELSEWHERE.map((name) => readFileSync(fixture(`elsewhere/${name}`))),
];
/** The format of each, which damage does not change. */
const isNpz = [false, false, true, false, false, ...ELSEWHERE.map((name) => name.endsWith(".npz"))];

/** Numbers that sizes and offsets are likely to go wrong at. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff];

function damaged(original: Buffer, random: RandomGenerator): Buffer {
  let bytes = Buffer.from(original);
  const place = (): number => random.integer(Math.max(bytes.length, 1));
  for (let i = 0; i <= random.integer(4); i++) {
    switch (random.integer(6)) {
      case 0:
        bytes[place()] ^= 1 << random.integer(8);
        break;
      case 1:
        bytes[place()] = EXTREMES[random.integer(EXTREMES.length)];
        break;
      case 2: {
        const from = place();
        const to = Math.min(from + random.integer(9), bytes.length);
        bytes.fill(EXTREMES[random.integer(EXTREMES.length)], from, to);
        break;
      }
      case 3:
        bytes = bytes.subarray(0, place());
        break;
      case 4: {
        const from = place();
        bytes = Buffer.concat([bytes.subarray(0, place()), bytes.subarray(from, from + random.integer(64))]);
        break;
      }
      default: {
        const [at, other] = [place(), originals[random.integer(originals.length)]];
        const from = random.integer(other.length);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          other.subarray(from, from + random.integer(32)),
          bytes.subarray(at),
        ]);
      }
    }
    if (bytes.length === 0) break;
  }
  return bytes;
}

/** Reads all that a file has; returns the errors, of the file or of one array each. */
async function readAll(path: string): Promise<unknown[]> {
  const errors: unknown[] = [];
  const attempt = async <T>(action: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (error) {
      errors.push(error);
      return undefined;
    }
  };
  if (path.endsWith(".npz")) {
    const arrays = await attempt(() => readNpz(path));
    for (const name of Object.keys(arrays ?? {})) await attempt(() => arrays?.[name]);
    return errors;
  }
  const file = await attempt(() => openWeights(path));
  for (const name of Object.keys(file?.shapes ?? {})) await attempt(() => file?.read(name));
  await file?.close();
  return errors;
}

test(`${INPUTS} damaged files (DITLAB_FUZZ) of seed ${SEED} (DITLAB_SEED)`, async () => {
  const random = randomGenerator(SEED);
  let refused = 0;
  /** Errors of the originals: of arrays of kinds that are not read. */
  const sound: number[] = [];
  for (const [which, bytes] of originals.entries()) {
    const path = join(folder, isNpz[which] ? "input.npz" : "input.bin");
    writeFileSync(path, bytes);
    sound.push((await readAll(path)).length);
  }
  const before = process.resourceUsage().maxRSS;
  for (let i = 0; i < INPUTS; i++) {
    const which = random.integer(originals.length);
    const path = join(folder, isNpz[which] ? "input.npz" : "input.bin");
    const bytes = damaged(originals[which], random);
    writeFileSync(path, bytes);
    const start = performance.now();
    const errors = await readAll(path);
    const where = `input ${i}, kept in ${path}`;
    assert.ok(performance.now() - start < SLOWEST_MS, `slow: ${where}`);
    if (errors.length > sound[which]) refused++;
    for (const error of errors) {
      assert.instance(error, Error, where);
      const { message, name } = error as Error;
      assert.ok(message.includes(path), `${where}: ${name}: ${message}`);
      assert.ok(message.length < 2000 && !message.includes("\n"), `${where}: ${message.slice(0, 300)}`);
      assert.not.match(message, /undefined|is not a function|Cannot read properties/, `${where}: ${message}`);
    }
  }
  const megabytes = (process.resourceUsage().maxRSS - before) / 1000;
  assert.ok(megabytes < MOST_MEGABYTES, `${megabytes} MB`);
  assert.ok(refused > INPUTS / 2, `${refused} of ${INPUTS} were refused`);
});

test.run();
