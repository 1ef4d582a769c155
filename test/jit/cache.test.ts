/** Optimized models on disk: found again and right, replaced when they are not, and never in the way of a call. */
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Compiled, jit, loop } from "../../lib/jit/index.ts";
import { makeRoom } from "../../lib/jit/targets/onnxruntime/cache.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";

const STEPS = 400;
const input = (): Tensor =>
  tf.tensor2d(
    Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    [3, 4],
  );

/** Enough nodes to be worth a file, some of which onnxruntime changes. */
const long = (x: Tensor, factor = 0.9): Tensor => {
  let y = x;
  for (let i = 0; i < STEPS; i++) y = tf.sigmoid(tf.mul(tf.sub(y, tf.transpose(tf.transpose(x))), factor));
  return y;
};
const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());

const settings = ["DITLAB_JIT_CACHE", "DITLAB_HOME"] as const;
const before = settings.map((name) => process.env[name]);
test.before.each(() => {
  for (const name of settings) delete process.env[name];
});
test.after.each(() => {
  settings.forEach((name, i) => {
    if (before[i] === undefined) delete process.env[name];
    else process.env[name] = before[i];
  });
});

interface Start {
  values: number[];
  cached: boolean;
}

/** One call of a function that was never called before. */
async function start<A extends unknown[]>(compiled: Compiled<A, Tensor>, ...args: A): Promise<Start> {
  const values = numbers(await compiled(...args));
  const [{ cached }] = compiled.stats.traces;
  await compiled.dispose();
  return { values, cached };
}
const startLong = (cache: string | boolean, factor = 0.9): Promise<Start> =>
  start(
    jit((x: Tensor) => long(x, factor), { cache, name: "long" }),
    input(),
  );

const filesOf = async (folder: string, end: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith(end)).map((name) => join(folder, name));
const modelOf = async (folder: string): Promise<string> => {
  const files = await filesOf(folder, ".model");
  assert.is(files.length, 1);
  return files[0];
};

test("the second start takes the first one's model, to the same bits", async () => {
  const folder = await temporaryFolder();
  const first = await startLong(folder);
  const second = await startLong(folder);
  assert.equal([first.cached, second.cached], [false, true]);
  assert.equal(second.values, first.values);
  assert.equal((await startLong(false)).values, first.values);
  assert.equal(await filesOf(folder, ".tmp"), []);
});

test("a whole step with gradients is the same from the cache, with its state in place", async () => {
  const folder = await temporaryFolder();
  const step = (state: { w: Tensor; m: Tensor }, x: Tensor) => {
    const loss = (w: Tensor): Tensor => tf.mean(tf.square(long(tf.matMul(x as never, w as never) as Tensor)));
    const g = tf.grad(loss as never)(state.w);
    const norm = tf.sqrt(tf.sum(tf.square(tf.mul(g, tf.add(state.w, state.m)))));
    const m = tf.add(tf.mul(state.m, 0.9), tf.div(g, norm));
    return { w: tf.sub(state.w, tf.mul(m, 0.1)), m };
  };
  const run = async (cache: string | boolean) => {
    const compiled = jit(step, { cache, donate: [0] });
    let state: { w: Tensor; m: Tensor } = {
      w: tf.tensor2d(
        Float32Array.from({ length: 16 }, (_, i) => Math.cos(i)),
        [4, 4],
      ),
      m: tf.zeros([4, 4]),
    };
    for (let i = 0; i < 3; i++) state = await compiled(state, input());
    const [{ cached, inPlace, overwritten }] = compiled.stats.traces;
    // The first call's arguments are the caller's arrays.
    assert.equal([inPlace, overwritten], [2, 4]);
    await compiled.dispose();
    return { cached, values: [numbers(state.w), numbers(state.m)] };
  };
  const [plain, first, second] = [await run(false), await run(folder), await run(folder)];
  assert.equal([plain.cached, first.cached, second.cached], [false, false, true]);
  assert.equal(first.values, plain.values);
  assert.equal(second.values, plain.values);
});

test("loops and convolutions come from the cache too", async () => {
  const folder = await temporaryFolder();
  const looping = (x: Tensor, count: Tensor): Tensor => loop(count, x, (y) => long(tf.add(y, x)));
  const filter = tf.reshape(tf.linspace(-1, 1, 2 * 3 * 9), [3, 3, 2, 3]);
  const convolving = (x: Tensor): Tensor => {
    const image = tf.reshape(long(x), [1, 2, 3, 2]);
    return tf.relu(tf.conv2d(image as never, filter as never, 1, "same"));
  };
  const starts = async (cache: string | boolean): Promise<Start[]> => [
    await start(jit(looping, { cache }), input(), tf.scalar(3, "int32")),
    await start(jit(convolving, { cache }), input()),
  ];
  const [plain, first, second] = [await starts(false), await starts(folder), await starts(folder)];
  for (const i of [0, 1]) {
    assert.equal([first[i].cached, second[i].cached], [false, true]);
    assert.equal(first[i].values, plain[i].values);
    assert.equal(second[i].values, plain[i].values);
  }
});

const DAMAGE: Record<string, (path: string) => Promise<unknown>> = {
  truncated: async (path) => truncate(path, (await stat(path)).size >> 1),
  "cut by a byte": async (path) => truncate(path, (await stat(path)).size - 1),
  empty: (path) => truncate(path, 0),
  "with a flipped bit": async (path) => {
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] ^= 4;
    await writeFile(path, bytes);
  },
  "with a flipped bit in its checksum": async (path) => {
    const bytes = await readFile(path);
    bytes[bytes.length - 1] ^= 1;
    await writeFile(path, bytes);
  },
  foreign: (path) => writeFile(path, "This is something else, and longer than a checksum. ".repeat(9)),
  "another program's": async (path) => {
    const folder = await temporaryFolder();
    await startLong(folder, 0.5);
    await writeFile(path, await readFile(await modelOf(folder)));
  },
};
test("a folder that has a model's name is not ours: it stays, and nothing is kept", async () => {
  const folder = await temporaryFolder();
  const { values } = await startLong(folder);
  const path = await modelOf(folder);
  await rm(path);
  await mkdir(path);
  await writeFile(join(path, "inside"), "mine");
  for (let i = 0; i < 2; i++) assert.equal(await startLong(folder), { values, cached: false });
  assert.is(await readFile(join(path, "inside"), "utf8"), "mine");
});

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`a file that is ${what} is compiled anew and replaced`, async () => {
    const folder = await temporaryFolder();
    const { values } = await startLong(folder);
    await damage(await modelOf(folder));
    assert.equal(await startLong(folder), { values, cached: false });
    assert.equal(await startLong(folder), { values, cached: true });
  });
}

test("a guess that is missing, damaged or wrong changes nothing", async () => {
  const folder = await temporaryFolder();
  const { values } = await startLong(folder);
  const [guess] = await filesOf(folder, ".guess");
  for (const content of ["", "nonsense", "0".repeat(64), undefined]) {
    if (content === undefined) await rm(guess);
    else await writeFile(guess, content);
    assert.equal(await startLong(folder), { values, cached: true });
  }
  // The same name and arguments, another function: each keeps its own model.
  const other = await startLong(folder, 0.5);
  assert.is(other.cached, false);
  assert.not.equal(other.values, values);
  for (let i = 0; i < 2; i++) {
    assert.equal(await startLong(folder), { values, cached: true });
    assert.equal(await startLong(folder, 0.5), { values: other.values, cached: true });
  }
  assert.is((await filesOf(folder, ".model")).length, 2);
});

test("a guessed program that can no longer be traced fails as it would without", async () => {
  const folder = await temporaryFolder();
  await startLong(folder);
  const broken = jit((x: Tensor) => tf.add(x, x.dataSync()[0]), { cache: folder, name: "long" });
  try {
    await broken(input());
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /was read/);
  }
});

test("a folder that cannot be written, or made, is done without", async () => {
  const file = join(await temporaryFolder(), "file");
  await writeFile(file, "");
  const { values } = await startLong(false);
  for (const folder of [file, join(file, "inside")])
    for (let i = 0; i < 2; i++) assert.equal(await startLong(folder), { values, cached: false });
});

const SCRIPT = `
  import { jit } from ${JSON.stringify(new URL("../../lib/jit/index.ts", import.meta.url).href)};
  import { tf } from ${JSON.stringify(new URL("../../lib/tensor/index.ts", import.meta.url).href)};
  process.on("SIGXFSZ", () => {});
  const f = jit((x) => { let y = x; for (let i = 0; i < 900; i++) y = tf.sigmoid(tf.sub(y, x)); return y; });
  const values = JSON.stringify([...(await f(tf.tensor1d([1, 2]))).dataSync()]);
  console.log(values + " " + f.stats.traces[0].cached);
`;
/** What a start in another process prints: its numbers, and whether they came from the cache below `home`. */
function startElsewhere(home: string, command = [process.execPath]): Promise<string> {
  const child = spawn(
    command[0],
    [...command.slice(1), "--import", "tsx", "--input-type=module", "-e", SCRIPT],
    {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { ...process.env, DITLAB_HOME: home },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", reject);
    child.on("close", () => resolve(text.trim()));
  });
}

test("starts at the same time share a folder", async () => {
  const folder = await temporaryFolder();
  const { values } = await startLong(false);
  for (const { values: found } of await Promise.all([1, 2, 3].map(() => startLong(folder))))
    assert.equal(found, values);
  const [a, b] = await Promise.all([startElsewhere(folder), startElsewhere(folder)]);
  const [numbersA, numbersB] = [a, b].map((line) => line.split(" ")[0]);
  assert.match(numbersA, /^\[.+\]$/);
  assert.is(numbersA, numbersB);
  assert.is(await startElsewhere(folder), `${numbersA} true`);
  assert.equal(await filesOf(join(folder, "jit"), ".tmp"), []);
});

(process.platform === "linux" ? test : test.skip)("a full disk is done without (Linux)", async () => {
  const folder = await temporaryFolder();
  const limited = ["sh", "-c", 'ulimit -f 200 && exec "$@"', "sh", process.execPath];
  assert.match(await startElsewhere(folder, limited), /^\[.+\] false$/);
  assert.equal(await filesOf(join(folder, "jit"), ".model"), []);
  assert.equal(await filesOf(join(folder, "jit"), ".tmp"), []);
});

test("another version's or machine's model has another name", async () => {
  const folder = await temporaryFolder();
  const { values } = await startLong(folder);
  const [model, bytes] = [await modelOf(folder), await readFile(await modelOf(folder))];
  // The same bytes under the name that another version would give them are not this version's.
  await rm(model);
  await writeFile(join(folder, `${"ab".repeat(32)}.model`), bytes);
  assert.equal(await startLong(folder), { values, cached: false });
});

test("small graphs leave nothing, and the cache can be turned off", async () => {
  const folder = await temporaryFolder();
  await start(
    jit((x: Tensor) => tf.mul(x, 2), { cache: folder }),
    input(),
  );
  process.env.DITLAB_JIT_CACHE = "0";
  process.env.DITLAB_HOME = folder;
  await startLong(folder);
  await startLong(true);
  assert.equal(await readdir(folder), []);
  delete process.env.DITLAB_JIT_CACHE;
  await startLong(true);
  assert.is((await filesOf(join(folder, "jit"), ".model")).length, 1);
});

test("a profile names the graph's own operators", async () => {
  const folder = await temporaryFolder();
  const compiled = jit((x: Tensor) => long(x), { cache: folder });
  await compiled(input());
  const { nodes } = await compiled.profile([input()], { runs: 1 });
  assert.ok(nodes >= STEPS);
  assert.is((await filesOf(folder, ".model")).length, 1);
  await compiled.dispose();
});

test("what was used longest ago goes first, and what an ended process left", async () => {
  const folder = await temporaryFolder();
  const now = Date.now() / 1000;
  const [a, b, c, d] = ["a", "b", "c", "d"].map((letter) => letter.repeat(64));
  const left = async (): Promise<string[]> => (await readdir(folder)).sort();
  const files: [string, number][] = [
    [`${a}.model`, 60],
    [`${b}.model`, 10],
    [`${c}.guess`, 30],
    [`${d}.model`, 20],
    [`${a}.12-0.tmp`, 7200],
    [`${b}.12-1.tmp`, 5],
    // The folder may be one in which others keep theirs.
    ["readme", 9000],
    ["old.tmp", 9000],
    ["resnet.model", 9000],
  ];
  const theirs = ["readme", "old.tmp", "resnet.model"];
  for (const [name, age] of files) {
    await writeFile(join(folder, name), new Uint8Array(100));
    await utimes(join(folder, name), now - age, now - age);
  }
  await makeRoom(folder, 300);
  const fresh = `${b}.12-1.tmp`;
  assert.equal(await left(), [`${b}.model`, `${c}.guess`, `${d}.model`, fresh, ...theirs].sort());
  await makeRoom(folder, 99);
  assert.equal(await left(), [fresh, ...theirs].sort());
});

test.run();
