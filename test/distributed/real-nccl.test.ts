/** NVIDIA's own NCCL, as far as it goes without a GPU: our functions have its names and numbers, and its errors have words. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ncclVersion } from "../../lib/distributed/nccl-library.ts";
import { linesOf } from "./helpers.ts";

const CHILD = ["--import", "tsx", join(import.meta.dirname, "real-nccl-child.ts")];
const start = (...args: string[]) => spawnSync(process.execPath, [...CHILD, ...args], { encoding: "utf8" });
const isThere = start("probe").status === 0;
const maybe = (name: string, body: () => void): void =>
  isThere ? void test(name, body) : void test.skip(`${name} (NVIDIA's NCCL, libnccl, is not there)`, body);

interface Said {
  name: string;
  idBytes: number;
  differ: boolean;
  begun: string;
  asked: string;
  summed: string;
  hasDriver: boolean;
}

maybe("NVIDIA's NCCL makes ids, and says what is wrong without a driver and a communicator", () => {
  const { status, stdout, stderr } = start();
  assert.is(status, 0, stderr);
  const [{ name, idBytes, differ, begun, asked, summed, hasDriver }] = linesOf<Said>(stdout);
  assert.match(name, /^NCCL 2\.\d+\.\d+$/);
  assert.equal([idBytes, differ], [128, true]);
  if (!hasDriver) assert.match(begun, /^NCCL \S+: ncclCommInitRankConfig: unhandled cuda error/);
  assert.match(asked, /^NCCL \S+: ncclCommGetAsyncError: invalid argument/);
  assert.match(summed, /^NCCL \S+: ncclAllReduce: invalid argument/);
});

test("versions as NCCL counts them", () => {
  assert.equal([23_007, 21_400, 2804].map(ncclVersion), ["2.30.7", "2.14.0", "2.8.4"]);
});

test.run();
