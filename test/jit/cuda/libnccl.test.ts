/** The stand-in for NCCL, alone with itself: as strict as the guide says that the real one is. */
import { join } from "node:path";
import koffi from "koffi";
import * as assert from "uvu/assert";
import type { Harness } from "./standin/harness.ts";
import { clean, runTests, test } from "./standin/suite.ts";

const [P, I, D] = ["void *", "int", "uint64_t"];
const ID = koffi.struct({ internal: koffi.array("uint8_t", 128, "Typed") });
const IN_PROGRESS = 7;
const INVALID_ARGUMENT = 4;

function open({ folder }: Harness) {
  const library = koffi.load(join(folder, "libnccl.so.2"));
  const call = (name: string, ...parameters: (string | typeof ID)[]) => library.func(name, I, parameters);
  const asyncError = call("ncclCommGetAsyncError", D, P);
  const word = new Int32Array(1);
  return {
    uniqueId: call("ncclGetUniqueId", P),
    initialize: call("ncclCommInitRankConfig", P, I, ID, I, P),
    sum: call("ncclAllReduce", D, D, "size_t", I, I, D, D),
    groupStart: call("ncclGroupStart"),
    groupEnd: call("ncclGroupEnd"),
    finalize: call("ncclCommFinalize", D),
    destroy: call("ncclCommDestroy", D),
    abort: call("ncclCommAbort", D),
    state(communicator: bigint): number {
      assert.is(asyncError(communicator, word), 0);
      return word[0];
    },
  };
}
type Nccl = ReturnType<typeof open>;

const config = (magic = 0xcafebeef, blocking = 0): Uint8Array =>
  new Uint8Array(new Uint32Array([24, 0, magic, 21_400, blocking, 0]).buffer);

const settled = async (nccl: Nccl, communicator: bigint): Promise<number> => {
  for (;;) {
    const state = nccl.state(communicator);
    if (state !== IN_PROGRESS) return state;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};

/** A communicator of one rank. */
async function begun(c: Harness): Promise<{ nccl: Nccl; communicator: bigint }> {
  const nccl = open(c);
  const internal = new Uint8Array(128);
  assert.is(nccl.uniqueId(internal), 0);
  const out = new BigUint64Array(1);
  assert.is(nccl.initialize(out, 1, { internal }, 0, config()), IN_PROGRESS);
  assert.is(await settled(nccl, out[0]), 0);
  return { nccl, communicator: out[0] };
}

test("a communicator needs a whole id, a rank and a config", (c) => {
  const nccl = open(c);
  const internal = new Uint8Array(128);
  nccl.uniqueId(internal);
  const broken = internal.slice();
  broken[127] ^= 1;
  const out = new BigUint64Array(1);
  for (const [id, rank, given] of [
    [broken, 0, config()],
    [internal, 1, config()],
    [internal, 0, config(0)],
    [internal, 0, config(0xcafebeef, 1)],
  ] as const)
    assert.is(nccl.initialize(out, 1, { internal: id }, rank, given), INVALID_ARGUMENT);
});

test("a sum comes to the stream when the state is asked for, behind what was there", async (c) => {
  const { nccl, communicator } = await begun(c);
  const p = c.device(Float32Array.of(1, 2));
  const of = (type: number, operation: number, count: number, at = p) =>
    nccl.sum(at, at, count, type, operation, communicator, c.stream);
  assert.equal([of(8, 0, 2), of(7, 1, 2), of(7, 0, 3), of(7, 0, 1, p + 2n)], Array(4).fill(INVALID_ARGUMENT));
  nccl.groupStart();
  assert.is(of(7, 0, 2), 0);
  assert.is(of(7, 0, 1), 0);
  assert.is(nccl.groupEnd(), IN_PROGRESS);
  assert.is(c.report().collectives, 0);
  assert.is(of(7, 0, 2), INVALID_ARGUMENT, "the last call is not over");
  assert.is(nccl.state(communicator), IN_PROGRESS);
  assert.is(nccl.state(communicator), 0);
  assert.equal([...c.read(new Float32Array(2), p)], [1, 2]);
  assert.is(c.report().collectives, 2);
  assert.is(nccl.finalize(communicator), IN_PROGRESS);
  assert.is(await settled(nccl, communicator), 0);
  assert.is(nccl.destroy(communicator), 0);
  assert.equal([of(7, 0, 2), nccl.destroy(communicator)], [INVALID_ARGUMENT, INVALID_ARGUMENT]);
  clean(c);
});

test("what hangs or has failed ends by an abort alone", async (c) => {
  for (const [fault, state] of [
    ["hang", 0],
    ["fail", 2],
  ] as const) {
    const { nccl, communicator } = await begun(c);
    process.env.DITLAB_STANDIN_NCCL = `${fault} at 1 of rank 0`;
    const p = c.device(Float32Array.of(1));
    nccl.sum(p, p, 1, 7, 0, communicator, c.stream);
    assert.is(await settled(nccl, communicator), 0);
    const end = c.get("cuEventCreate", 2);
    c.call("cuEventRecord", end, c.stream);
    for (let i = 0; i < 20 || nccl.state(communicator) !== state; i++) {
      assert.is(c.status("cuEventQuery", end), 600);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    delete process.env.DITLAB_STANDIN_NCCL;
    assert.is(nccl.abort(communicator), 0);
    assert.is(c.synchronize(), 0);
  }
});

runTests();
