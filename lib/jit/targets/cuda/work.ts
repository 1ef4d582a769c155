/** Work in a device's stream: copies, and kernels one by one or, once they have run, as one graph. */
import type { KernelTime, Timer, Work } from "../planned/device.ts";
import type { CudaDevice } from "./device.ts";
import { type CudaLaunches, placeOf } from "./kernels.ts";
import type { CudaBuffer, Pinned } from "./memory.ts";

/** Fewer kernels are given out as fast one by one. */
const FEW = 4;
/** Graphs that a section keeps, for arrays at other addresses. */
const MOST_GRAPHS = 8;
/** Copies to be had by way of pinned memory; the driver takes smaller ones along with the call. */
const LARGE = 1 << 16;

export function beginWork(device: CudaDevice): Work {
  const { driver, stream, pinned } = device;
  const staged: Pinned[] = [];
  device.enter();
  device.tidy();
  return {
    write(to, offset, data) {
      const { byteLength } = data;
      if (byteLength === 0) return;
      const target = (to as CudaBuffer).pointer + BigInt(offset);
      if (byteLength < LARGE) {
        driver.call("cuMemcpyHtoDAsync_v2", target, data, byteLength, stream);
        return;
      }
      const staging = pinned.take(byteLength);
      staged.push(staging);
      staging.bytes.set(new Uint8Array(data.buffer, data.byteOffset, byteLength));
      driver.call("cuMemcpyHtoDAsync_v2", target, staging.pointer, byteLength, stream);
    },
    copy(from, at, to, offset, bytes) {
      const [source, target] = [(from as CudaBuffer).pointer, (to as CudaBuffer).pointer];
      driver.call("cuMemcpyDtoDAsync_v2", target + BigInt(offset), source + BigInt(at), bytes, stream);
    },
    run(launches, memoryOf, scalars, timer) {
      const all = launches as CudaLaunches;
      const places = new Map(all.values.map((value) => [value, placeOf(memoryOf(value))]));
      const launch = (): void => all.launch((value) => places.get(value)!, placeOf(scalars));
      if (timer) timed(device, all, (value) => places.get(value)!, placeOf(scalars), timer);
      else if (all.count < FEW) launch();
      else byGraph(device, all, [...places.values()].join(), launch);
    },
    submit: () => device.keepUntilDone(staged),
  };
}

/** The first time kernels run by themselves, from the second on as a graph: what runs once is not recorded. */
function byGraph(device: CudaDevice, { graphs }: CudaLaunches, key: string, launch: () => void): void {
  const { driver, stream } = device;
  const known = graphs.get(key) ?? { seen: 0 };
  // The last one is the one that was used last.
  graphs.delete(key);
  graphs.set(key, known);
  if (known.seen++ === 0) launch();
  else {
    known.graph ??= captured(device, launch);
    driver.call("cuGraphLaunch", known.graph, stream);
  }
  if (graphs.size <= MOST_GRAPHS) return;
  const [oldest, { graph }] = graphs.entries().next().value!;
  graphs.delete(oldest);
  if (graph) device.endGraph(graph);
}

/** What a function gives to the stream, as a graph, without being run. */
function captured({ driver, stream }: CudaDevice, launch: () => void): bigint {
  const RELAXED = 2;
  driver.call("cuStreamBeginCapture_v2", stream, RELAXED);
  let graph = 0n;
  try {
    launch();
  } finally {
    graph = driver.endCapture(stream);
  }
  try {
    return driver.get("cuGraphInstantiateWithFlags", graph, 0);
  } finally {
    driver.call("cuGraphDestroy", graph);
  }
}

/** Gives kernels out with a look at the clock between them. */
function timed(
  device: CudaDevice,
  all: CudaLaunches,
  placeOf: Parameters<CudaLaunches["launch"]>[0],
  scalars: bigint,
  timer: Timer,
): void {
  const { driver, stream } = device;
  const kernels: KernelTime["kernel"][] = [];
  const events: bigint[] = [];
  const look = (): void => {
    const event = driver.get("cuEventCreate", 0);
    driver.call("cuEventRecord", event, stream);
    events.push(event);
  };
  all.launch(placeOf, scalars, (kernel) => {
    kernels.push(kernel);
    look();
  });
  look();
  timer.add(async () => {
    await device.reached(events.at(-1)!);
    const elapsed = new Float32Array(1);
    const times = kernels.map((kernel, i) => {
      driver.call("cuEventElapsedTime", elapsed, events[i], events[i + 1]);
      return { kernel, seconds: elapsed[0] / 1000 };
    });
    for (const event of events) driver.call("cuEventDestroy_v2", event);
    return times;
  });
}
