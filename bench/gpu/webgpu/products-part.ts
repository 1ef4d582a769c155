/** Matrix products in WGSL: plain tiles in f32 and f16, and subgroup matrices where the adapter offers them. */
import { attempt, median, relativeError } from "../report.ts";
import { dispatches } from "./adapter-part.ts";
import { type MatrixConfig, openDevice, openGpu } from "./open.ts";

const PART = "wgsl";
const SIDES = [2048, 4096];

const header = (type: string, result: string) => `
${type === "f16" ? "enable f16;" : ""}
@group(0) @binding(0) var<storage, read_write> a: array<${type}>;
@group(0) @binding(1) var<storage, read_write> b: array<${type}>;
@group(0) @binding(2) var<storage, read_write> c: array<${result}>;
override N: u32;
`;

/** 64x64 results a workgroup of 256, 4x4 a thread, sums in f32. */
const tiled = (type: string) => `${header(type, "f32")}
var<workgroup> ta: array<array<f32, 65>, 16>;
var<workgroup> tb: array<array<f32, 64>, 16>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let row = group.y * 64; let column = group.x * 64;
  let y = (t / 16) * 4; let x = (t % 16) * 4;
  var sum: array<vec4<f32>, 4>;
  for (var k = 0u; k < N; k += 16) {
    for (var i = t; i < 1024; i += 256) {
      ta[i % 16][i / 16] = f32(a[(row + i / 16) * N + k + i % 16]);
      tb[i / 64][i % 64] = f32(b[(k + i / 64) * N + column + i % 64]);
    }
    workgroupBarrier();
    for (var i = 0u; i < 16; i++) {
      let right = vec4(tb[i][x], tb[i][x + 1], tb[i][x + 2], tb[i][x + 3]);
      for (var j = 0u; j < 4; j++) { sum[j] += ta[i][y + j] * right; }
    }
    workgroupBarrier();
  }
  for (var j = 0u; j < 4; j++) { for (var i = 0u; i < 4; i++) { c[(row + y + j) * N + column + x + i] = sum[j][i]; } }
}`;

/**
 * One subgroup of 32 a workgroup with 64x64 results, straight from storage. The loads and stores want uniform places,
 * which a place made of the invocation's number is not, so the workgroup's own number must be all.
 */
function matrices({ M, N, K, resultComponentType: result }: MatrixConfig): string {
  const [down, across] = [64 / M, 64 / N];
  const each = (count: number, text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join("\n");
  const grid = (text: (i: number, j: number) => string) => each(down, (i) => each(across, (j) => text(i, j)));
  return `enable f16; enable chromium_experimental_subgroup_matrix;
${header("f16", result).replace("enable f16;", "")}
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
  let row = group.y * 64; let column = group.x * 64;
  ${grid((i, j) => `var s${i}${j}: subgroup_matrix_result<${result}, ${N}, ${M}>;`)}
  for (var k = 0u; k < N; k += ${K}) {
    ${each(down, (i) => `let a${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${K}, ${M}>>(&a, (row + ${i * M}) * N + k, false, N);`)}
    ${each(across, (j) => `let b${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>>(&b, k * N + column + ${j * N}, false, N);`)}
    ${grid((i, j) => `s${i}${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, s${i}${j});`)}
  }
  ${grid((i, j) => `subgroupMatrixStore(&c, (row + ${i * M}) * N + column + ${j * N}, s${i}${j}, false, N);`)}
}`;
}

/** Small integers, exact in every type. */
const entry = (i: number): number => ((Math.imul(i, 2654435761) >>> 24) % 9) - 4;
const half = (value: number): number => {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | ((Math.abs(value) / 2 ** exponent - 1) * 1024);
};

async function product(
  device: GPUDevice,
  errors: string[],
  side: number,
  code: string,
  type: string,
  result: string,
  tile: number,
) {
  errors.length = 0;
  const started = performance.now();
  const module = device.createShaderModule({ code });
  const messages = (await module.getCompilationInfo()).messages.flatMap(({ type, message }) =>
    type === "error" ? [message] : [],
  );
  if (messages.length) throw new Error(messages.join("; "));
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module, entryPoint: "main", constants: { N: side } },
  });
  const pipelineMs = performance.now() - started;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const bytes = (t: string) => side * side * (t === "f16" ? 2 : 4);
  const buffers = [bytes(type), bytes(type), bytes(result)].map((size) =>
    device.createBuffer({ size, usage }),
  );
  for (const [which, buffer] of buffers.slice(0, 2).entries()) {
    const values = Float32Array.from({ length: side * side }, (_, i) => entry(i + which * 77));
    device.queue.writeBuffer(buffer, 0, type === "f16" ? Uint16Array.from(values, half) : values);
  }
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const timed = device.features.has("timestamp-query");
  const queries = timed ? device.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
  const stamps = device.createBuffer({
    size: 16,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const back = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const times: number[] = [];
  const repeats = 8;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(
      queries && {
        timestampWrites: { querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
      },
    );
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(side / tile, side / tile);
    pass.end();
    if (queries) {
      encoder.resolveQuerySet(queries, 0, 2, stamps, 0);
      encoder.copyBufferToBuffer(stamps, 0, back, 0, 16);
    }
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const host = performance.now() - start;
    if (!queries) {
      times.push(host / repeats);
      continue;
    }
    await back.mapAsync(GPUMapMode.READ);
    const [first, last] = new BigUint64Array(back.getMappedRange());
    back.unmap();
    times.push(Number(last - first) / 1e6 / repeats);
  }
  const rows = [0, 1, side - 1];
  const size = side * (result === "f16" ? 2 : 4);
  const got: number[] = [];
  const want: number[] = [];
  for (const row of rows) {
    const line = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffers[2], row * size, line, 0, size);
    device.queue.submit([encoder.finish()]);
    await line.mapAsync(GPUMapMode.READ);
    const mapped = line.getMappedRange();
    for (const column of [0, 1, 17, side - 1]) {
      let sum = 0;
      for (let k = 0; k < side; k++) sum += entry(row * side + k) * entry(k * side + column + 77);
      want.push(sum);
      if (result === "f32") got.push(new Float32Array(mapped)[column]);
      else {
        const bits = new Uint16Array(mapped)[column];
        got.push((bits & 0x8000 ? -1 : 1) * (1 + (bits & 1023) / 1024) * 2 ** (((bits >> 10) & 31) - 15));
      }
    }
  }
  for (const buffer of buffers) buffer.destroy();
  const ms = median(times);
  const relative = relativeError(got, want);
  return {
    pipelineMs,
    ms,
    tflops: (2 * side ** 3) / ms / 1e9,
    relativeError: relative,
    byTimestamps: timed,
    errors,
  };
}

export async function wgsl(): Promise<void> {
  const { adapter, configs } = await openGpu();
  const { device, errors } = await openDevice(adapter);
  for (const elements of [256, 1 << 18])
    await attempt(PART, { what: "dispatches", elements }, () => dispatches(device, errors, elements, 1000));
  const sides = process.env.GPU_SIDE ? [Number(process.env.GPU_SIDE)] : SIDES;
  for (const side of sides) {
    for (const type of device.features.has("shader-f16") ? ["f32", "f16"] : ["f32"])
      await attempt(PART, { kind: "tiled", type, side }, () =>
        product(device, errors, side, tiled(type), type, "f32", 64),
      );
    for (const config of configs.filter(
      ({ componentType, M, N }) => componentType === "f16" && 64 % M === 0 && 64 % N === 0,
    ))
      await attempt(PART, { kind: "subgroup matrix", ...config, side }, () =>
        product(device, errors, side, matrices(config), "f16", config.resultComponentType, 64),
      );
  }
}
