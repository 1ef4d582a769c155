/** The stand-in driver: late as a device, strict as the real one, and mistakes of a program show. */
import * as assert from "uvu/assert";
import type { Harness } from "./standin/harness.ts";
import { clean, found, runTests, test } from "./standin/suite.ts";

const ADD = `extern "C" __global__ void add(float *p, int n, float by) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) p[i] += by;
}`;
const N = 100;
const GRID = [2, 1, 1] as const;
const BLOCK = [64, 1, 1] as const;
const add = (c: Harness) => c.kernel(ADD, "add");
const launchAdd = (c: Harness, fn: bigint, p: bigint, by = 1) =>
  c.launch(fn, GRID, BLOCK, 0, p, N, Float32Array.of(by));
const first = (c: Harness, p: bigint) => c.read(new Float32Array(1), p)[0];
const RELAXED = 2;

test("work is late: an event is not ready until it is asked for", async (c) => {
  const [fn, p] = [add(c), c.device(new Float32Array(N))];
  const event = c.get("cuEventCreate", 2);
  assert.is(c.status("cuEventQuery", event), 0, "an event that was never recorded");
  launchAdd(c, fn, p);
  c.call("cuEventRecord", event, c.stream);
  assert.is(c.status("cuEventQuery", event), 600);
  while (c.status("cuEventQuery", event) === 600) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.is(c.report().queued, 0);
  assert.is(first(c, p), 1);
});
test("work begins without being asked for, too", async (c) => {
  launchAdd(c, add(c), c.device(new Float32Array(N)));
  assert.is.not(c.report().queued, 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.is(c.report().queued, 0);
});
test("DITLAB_STANDIN_SYNC=1 does work at once", (c) => {
  process.env.DITLAB_STANDIN_SYNC = "1";
  try {
    const [fn, p] = [add(c), c.device(new Float32Array(N))];
    launchAdd(c, fn, p);
    assert.is(c.report().queued, 0);
    assert.is(first(c, p), 1);
  } finally {
    delete process.env.DITLAB_STANDIN_SYNC;
  }
});
test("times between events", (c) => {
  const [start, end] = [c.get("cuEventCreate", 0), c.get("cuEventCreate", 0)];
  const ms = new Float32Array(1);
  c.call("cuEventRecord", start, c.stream);
  assert.is(c.status("cuEventElapsedTime", ms, start, end), 400, "one is not recorded");
  launchAdd(c, add(c), c.device(new Float32Array(N)));
  c.call("cuEventRecord", end, c.stream);
  assert.is(c.status("cuEventElapsedTime", ms, start, end), 600);
  c.call("cuEventSynchronize", end);
  c.call("cuEventElapsedTime", ms, start, end);
  assert.ok(ms[0] > 0);
});

test("what is not pinned is taken at the call, pinned memory when the stream comes to it", (c) => {
  const data = Float32Array.of(1);
  const p = c.device(data);
  data[0] = 2;
  assert.is(first(c, p), 1);
  const pinned = c.get("cuMemHostAlloc", 4, 0);
  c.call("cuMemcpyDtoHAsync_v2", pinned, p, 4, c.stream);
  c.call("cuMemcpyHtoDAsync_v2", p, pinned, 4, c.stream);
  const two = c.device(Float32Array.of(2));
  c.synchronize();
  // The buffer is filled anew while its upload is still to come: the upload gets the new number.
  c.call("cuMemcpyHtoDAsync_v2", p, pinned, 4, c.stream);
  const other = c.get("cuStreamCreate", 1);
  c.call("cuMemcpyDtoHAsync_v2", pinned, two, 4, other);
  c.call("cuStreamSynchronize", other);
  assert.is(first(c, p), 2);
});
test("streams do not wait for each other, but by events", (c) => {
  const fn = add(c);
  const other = c.get("cuStreamCreate", 1);
  const once = (wait: boolean): number => {
    const [p, q] = [c.device(new Float32Array(N)), c.device(new Float32Array(N))];
    c.synchronize();
    launchAdd(c, fn, p);
    const event = c.get("cuEventCreate", 2);
    c.call("cuEventRecord", event, c.stream);
    if (wait) c.call("cuStreamWaitEvent", other, event, 0);
    c.call("cuMemcpyDtoDAsync_v2", q, p, N * 4, other);
    c.call("cuStreamSynchronize", other);
    return first(c, q);
  };
  assert.is(once(true), 1);
  assert.is(once(false), 0);
});

test("a captured graph runs as often as it is launched", (c) => {
  const [fn, p] = [add(c), c.device(new Float32Array(N))];
  const q = c.alloc(N * 4);
  c.call("cuStreamBeginCapture_v2", c.stream, RELAXED);
  const by = Float32Array.of(2);
  c.launch(fn, GRID, BLOCK, 0, p, N, by);
  by[0] = 100;
  c.call("cuMemcpyDtoDAsync_v2", q, p, N * 4, c.stream);
  c.call("cuMemsetD32Async", q, 7, 1, c.stream);
  const graph = new BigUint64Array(1);
  c.call("cuStreamEndCapture", c.stream, graph);
  const run = c.get("cuGraphInstantiateWithFlags", graph[0], 0n);
  c.call("cuGraphDestroy", graph[0]);
  assert.is(first(c, p), 0, "capturing runs nothing");
  for (let i = 0; i < 3; i++) c.call("cuGraphLaunch", run, c.stream);
  assert.equal([...c.read(new Float32Array(2), p)], [6, 6]);
  assert.equal([...c.read(new Int32Array(1), q)], [7]);
  const { launches, captures, graphLaunches, nodesReplayed, graphs, executables } = c.report();
  assert.equal(
    { launches, captures, graphLaunches, nodesReplayed, graphs, executables },
    { launches: 0, captures: 1, graphLaunches: 3, nodesReplayed: 9, graphs: 0, executables: 1 },
  );
  c.call("cuMemFree_v2", q);
  c.call("cuGraphLaunch", run, c.stream);
  assert.is(c.synchronize(), 700, "a graph whose memory is gone");
});
test("another stream joins a capture by an event", (c) => {
  const [fn, p] = [add(c), c.device(new Float32Array(N))];
  const q = c.alloc(N * 4);
  c.synchronize();
  const [other, fork, join] = [
    c.get("cuStreamCreate", 1),
    c.get("cuEventCreate", 2),
    c.get("cuEventCreate", 2),
  ];
  c.call("cuStreamBeginCapture_v2", c.stream, RELAXED);
  launchAdd(c, fn, p);
  c.call("cuEventRecord", fork, c.stream);
  c.call("cuStreamWaitEvent", other, fork, 0);
  c.call("cuMemcpyDtoDAsync_v2", q, p, N * 4, other);
  assert.is(c.status("cuEventQuery", fork), 907);
  c.call("cuEventRecord", join, other);
  c.call("cuStreamWaitEvent", c.stream, join, 0);
  const graph = new BigUint64Array(1);
  c.call("cuStreamEndCapture", c.stream, graph);
  c.call("cuGraphLaunch", c.get("cuGraphInstantiateWithFlags", graph[0], 0n), c.stream);
  assert.is(first(c, q), 1);
  const state = new Int32Array(1);
  c.call("cuStreamIsCapturing", other, state);
  assert.is(state[0], 0);
});
test("what a capture does not allow makes it invalid", (c) => {
  const p = c.device(new Float32Array(N));
  c.synchronize();
  const graph = new BigUint64Array(1);
  const word = new BigUint64Array(1);
  const attempts: [number, () => number, number][] = [
    [RELAXED, () => c.synchronize(), 901],
    [RELAXED, () => c.status("cuCtxSynchronize"), 901],
    [RELAXED, () => c.status("cuMemcpyHtoDAsync_v2", p, new Float32Array(N), N * 4, c.stream), 901],
    [RELAXED, () => c.status("cuMemcpyDtoHAsync_v2", new Float32Array(N), p, N * 4, c.stream), 901],
    [0, () => c.status("cuMemAlloc_v2", word, 4), 901],
    [0, () => c.status("cuMemFree_v2", p), 901],
  ];
  for (const [mode, attempt, end] of attempts) {
    c.call("cuStreamBeginCapture_v2", c.stream, mode);
    assert.is(attempt(), 900);
    assert.is(c.status("cuStreamEndCapture", c.stream, graph), end);
  }
  c.call("cuStreamBeginCapture_v2", c.stream, RELAXED);
  assert.is(c.status("cuMemAlloc_v2", word, 4), 0, "a relaxed capture allows this");
  c.call("cuStreamEndCapture", c.stream, graph);
  assert.is(c.status("cuStreamEndCapture", c.stream, graph), 401);
});

test("memory freed while queued work names it, twice, or used afterwards", (c) => {
  const [fn, p] = [add(c), c.device(new Float32Array(N))];
  c.synchronize();
  launchAdd(c, fn, p);
  c.call("cuMemFree_v2", p);
  found(c, /^device memory of 400 bytes is freed while queued work uses it$/);
  assert.is(c.status("cuMemFree_v2", p), 1);
  assert.is(c.status("cuMemsetD8Async", p, 0, 4, c.stream), 1);
  const next = c.alloc(N * 4);
  assert.is.not(next, p, "an address is not used twice");
  launchAdd(c, fn, p);
  assert.is(c.synchronize(), 700);
  assert.is(c.status("cuMemFree_v2", next), 700, "the error stays");
  c.reset();
  assert.is(c.status("cuStreamSynchronize", c.stream), 0, "but not in a new context");
});
test("pinned memory freed while a copy is queued", (c) => {
  const p = c.alloc(64);
  const pinned = c.get("cuMemHostAlloc", 64, 0);
  c.call("cuMemcpyHtoDAsync_v2", p, pinned, 64, c.stream);
  c.call("cuMemFreeHost", pinned);
  found(c, /^pinned memory of 64 bytes is freed while queued work uses it$/);
});
test("fresh memory holds NaNs, and there is only so much of it", (c) => {
  assert.ok(Number.isNaN(first(c, c.alloc(4))));
  process.env.DITLAB_STANDIN_MEMORY = "1000000";
  try {
    const out = new BigUint64Array(2);
    assert.is(c.status("cuMemAlloc_v2", out, 1000000), 2);
    assert.is(c.status("cuMemAlloc_v2", out, 900000), 0);
    assert.is(c.report().bytes, 900004);
    c.call("cuMemGetInfo_v2", out.subarray(0, 1), out.subarray(1));
    assert.equal([...out], [99996n, 1000000n]);
  } finally {
    delete process.env.DITLAB_STANDIN_MEMORY;
  }
});

test("several modules at once, each with its own kernels", (c) => {
  const p = c.device(new Float32Array(N));
  const text = (name: string, by: number) => ADD.replace("add(", `${name}(`).replace("+= by", `+= ${by}`);
  const names = ["one", "two", "three"];
  const kernels = names.map((name, i) => c.kernel(text(name, i + 1), name));
  for (const fn of kernels) launchAdd(c, fn, p);
  assert.is(first(c, p), 6);
  assert.equal(c.report().kernels, { one: 1, two: 1, three: 1 });
});
test("launches that the driver does not take", (c) => {
  const source =
    'extern "C" __global__ void __launch_bounds__(4 * 32) k(float *p) { DYNAMIC_SHARED(float, s); s[0] = 1; p[0] = s[0]; }';
  const fn = c.kernel(source, "k");
  const p = c.alloc(4);
  const launch = (grid: number, block: number, shared: number) =>
    c.launch(fn, [grid, 1, 1], [block, 1, 1], shared, p);
  assert.is(launch(0, 32, 4), 1);
  assert.is(launch(1, 0, 4), 1);
  assert.is(launch(1, 160, 4), 1, "more threads than its launch bounds");
  assert.is(launch(1, 32, 49153), 1, "more shared memory than was asked for");
  assert.is(c.status("cuFuncSetAttribute", fn, 8, 300000), 1);
  c.call("cuFuncSetAttribute", fn, 8, 100000);
  assert.is(launch(1, 32, 100000), 0);
  assert.is(first(c, p), 1);
  assert.is(c.status("cuLaunchKernel", 8n, 1, 1, 1, 1, 1, 1, 0, 0n, null, null), 400);
  const out = new BigUint64Array(1);
  assert.is(c.status("cuModuleGetFunction", out, 8n, "k"), 400);
  clean(c);
});
test("copies out of bounds and objects that are gone", (c) => {
  const p = c.alloc(64);
  assert.is(c.status("cuMemcpyHtoDAsync_v2", p + 32n, new Uint8Array(64), 64, c.stream), 1);
  assert.is(c.status("cuMemcpyDtoHAsync_v2", new Uint8Array(64), p, 65, c.stream), 1);
  assert.is(c.status("cuMemsetD32Async", p + 2n, 0, 1, c.stream), 1);
  const event = c.get("cuEventCreate", 0);
  c.call("cuEventDestroy_v2", event);
  assert.is(c.status("cuEventDestroy_v2", event), 400);
  assert.is(c.status("cuEventRecord", event, c.stream), 400);
  const stream = c.get("cuStreamCreate", 1);
  c.call("cuStreamDestroy_v2", stream);
  assert.is(c.status("cuStreamSynchronize", stream), 400);
  c.call("cuCtxSetCurrent", 0n);
  assert.is(c.status("cuStreamSynchronize", c.stream), 201, "without a context");
});
test("a device that is lost after some launches", (c) => {
  for (const [text, error] of [
    ["after 2 launches", 719],
    ["after 2 launches with 999", 999],
  ] as const) {
    process.env.DITLAB_STANDIN_FAIL = text;
    c.reset();
    delete process.env.DITLAB_STANDIN_FAIL;
    const [fn, p] = [add(c), c.device(new Float32Array(N))];
    for (let i = 0; i < 3; i++) launchAdd(c, fn, p);
    assert.is(c.synchronize(), error);
    assert.is(launchAdd(c, fn, p), error);
    assert.is(c.report().lost, error);
  }
});
test("what the device says of itself", (c) => {
  const value = new Int32Array(1);
  const attribute = (id: number): number => {
    c.call("cuDeviceGetAttribute", value, id, 0);
    return value[0];
  };
  assert.equal([1, 10, 16, 75, 76, 97].map(attribute), [1024, 32, 4, 9, 0, 227 << 10]);
  const name = Buffer.alloc(64);
  c.call("cuDeviceGetName", name, 64, 0);
  assert.match(name.toString(), /^CPU in place of a GPU/);
  assert.is(c.status("cuDeviceGet", value, 1), 101);
  process.env.DITLAB_STANDIN_DEVICES = "2";
  try {
    c.call("cuDeviceGetCount", value);
    assert.is(value[0], 2);
    const uuids = [0, 1].map((device) => {
      const uuid = Buffer.alloc(16);
      c.call("cuDeviceGetUuid_v2", uuid, device);
      return uuid.toString("hex");
    });
    assert.is.not(uuids[0], uuids[1]);
    assert.is(c.status("cuDeviceGet", value, 2), 101);
    // Its context is of the first one.
    assert.is(c.status("cuDevicePrimaryCtxRetain", new BigUint64Array(1), 1), 801);
  } finally {
    delete process.env.DITLAB_STANDIN_DEVICES;
  }
});

runTests();
