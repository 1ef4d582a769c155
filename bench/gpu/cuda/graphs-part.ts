/** What launches, graphs, copies and waiting cost the host and the device. */
import { attempt, median, report } from "../report.ts";
import { openDriver, pack } from "./driver.ts";
import { openCompiler } from "./nvrtc.ts";

const PART = "graphs";
const SOURCE = `
extern "C" __global__ void add(float *x, int n) { int i = blockIdx.x * 256 + threadIdx.x; if (i < n) x[i] += 1.0f; }
extern "C" __global__ void spin(long long ticks) { long long start = clock64(); while (clock64() - start < ticks); }`;

export async function graphs(): Promise<void> {
  const compiler = openCompiler();
  const cuda = openDriver();
  const module = cuda.module(compiler.compile(SOURCE, cuda.arch));
  const add = cuda.kernel(module, "add");
  const spin = cuda.kernel(module, "spin");
  for (const [nodes, elements] of [
    [1000, 256],
    [1000, 1 << 18],
    [4000, 256],
  ])
    await attempt(PART, { what: "graph", nodes, elements }, () => {
      const x = cuda.alloc(elements * 4);
      cuda.call("cuMemsetD8Async", x, 0, elements * 4, cuda.stream);
      const packed = pack([x, elements]);
      const one = () => cuda.launch(add, [Math.ceil(elements / 256), 1, 1], [256, 1, 1], 0, packed);
      const all = () => {
        for (let i = 0; i < nodes; i++) one();
      };
      all();
      cuda.synchronize();
      const hostStart = performance.now();
      all();
      const hostUsPerLaunch = ((performance.now() - hostStart) * 1000) / nodes;
      cuda.synchronize();
      const streamMs = cuda.milliseconds(all, 7);
      const captureStart = performance.now();
      const graph = cuda.capture(all);
      const captureAndMakeMs = performance.now() - captureStart;
      const graphMs = cuda.milliseconds(() => graph.launch(), 15);
      const host: number[] = [];
      for (let i = 0; i < 15; i++) {
        const start = performance.now();
        graph.launch();
        host.push((performance.now() - start) * 1000);
        cuda.synchronize();
      }
      const got = new Float32Array(elements);
      cuda.download(got, x);
      cuda.synchronize();
      // Directly twice, by streams 3 + 7 times, by graphs 3 + 15 + 15 times.
      const right = got.every((value) => value === nodes * (2 + 10 + 33));
      graph.release();
      cuda.free(x);
      return {
        right,
        hostUsPerLaunch,
        streamUsPerKernel: (streamMs * 1000) / nodes,
        graphUsPerKernel: (graphMs * 1000) / nodes,
        hostUsPerGraphLaunch: median(host),
        captureAndMakeMs,
      };
    });
  await attempt(PART, { what: "waiting" }, async () => {
    const packed = pack([20_000_000n]); // about ten milliseconds
    const run = () => cuda.launch(spin, [1, 1, 1], [1, 1, 1], 0, packed);
    const deviceMs = cuda.milliseconds(run, 5);
    const blocked: number[] = [];
    const polled: number[] = [];
    let asked = 0;
    for (let i = 0; i < 5; i++) {
      let start = performance.now();
      run();
      cuda.synchronize();
      blocked.push(performance.now() - start);
      start = performance.now();
      run();
      asked = await cuda.done();
      polled.push(performance.now() - start);
    }
    const event = cuda.get("cuEventCreate", 2);
    cuda.call("cuEventRecord", event, cuda.stream);
    const start = performance.now();
    for (let i = 0; i < 10_000; i++) cuda.raw.cuEventQuery(event);
    const usPerQuery = (performance.now() - start) / 10;
    return { deviceMs, blockedMs: median(blocked), polledMs: median(polled), asked, usPerQuery };
  });
  await attempt(PART, { what: "copies", bytes: 256 << 20 }, () => {
    const bytes = 256 << 20;
    const x = cuda.alloc(bytes);
    const y = cuda.alloc(bytes);
    const plain = new Uint8Array(bytes).fill(1);
    const pinned = cuda.get("cuMemHostAlloc", bytes, 0);
    const rate = (ms: number) => bytes / ms / 1e6;
    const pageableUp = rate(cuda.milliseconds(() => cuda.upload(x, plain), 3, 1));
    const pageableDown = rate(cuda.milliseconds(() => cuda.download(plain, x), 3, 1));
    const up = () => cuda.call("cuMemcpyHtoDAsync_v2", x, pinned, bytes, cuda.stream);
    const down = () => cuda.call("cuMemcpyDtoHAsync_v2", pinned, x, bytes, cuda.stream);
    const [pinnedUp, pinnedDown] = [rate(cuda.milliseconds(up, 5)), rate(cuda.milliseconds(down, 5))];
    const onDevice = cuda.milliseconds(() => cuda.call("cuMemcpyDtoDAsync_v2", y, x, bytes, cuda.stream), 9);
    cuda.call("cuMemFreeHost", pinned);
    return { pageableUp, pageableDown, pinnedUp, pinnedDown, unit: "GB/s", onDevice: 2 * rate(onDevice) };
  });
  report(PART, { what: "end" });
}
