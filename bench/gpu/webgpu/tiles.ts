/** Products in WGSL whose tiles are brought into the workgroup's memory: by subgroup matrices, and by threads alone. */
import type { MatrixConfig } from "./open.ts";

const each = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join("\n");

/** A workgroup's tile of the result, terms brought at a time, and the tiles of its subgroups (or of its threads). */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly terms: number;
  readonly down: number;
  readonly across: number;
  /** Whether the next tiles are fetched while these are multiplied. */
  readonly ahead: boolean;
}

const header = (type: string, wide: boolean): string => `
@group(0) @binding(0) var<storage, read_write> a: array<${wide ? `vec4<${type}>` : type}>;
@group(0) @binding(1) var<storage, read_write> b: array<${wide ? `vec4<${type}>` : type}>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
override N: u32;`;

/** Fetches a thread's share of both tiles into registers, or brings it from there into the workgroup's memory. */
function movement({ rows, columns, terms }: Tile, threads: number, widthA: number, widthB: number) {
  const shareA = (rows * terms) / 4 / threads;
  const shareB = (columns * terms) / 4 / threads;
  const placeA = (i: number) =>
    `let e${i} = lid + ${i * threads}u; let p${i} = e${i} / ${terms / 4}u; let q${i} = (e${i} % ${terms / 4}u) * 4u;`;
  const placeB = (i: number) =>
    `let e${i} = lid + ${i * threads}u; let p${i} = e${i} / ${columns / 4}u; let q${i} = (e${i} % ${columns / 4}u) * 4u;`;
  return {
    registers: `${each(shareA, (i) => `var ra${i}: vec4<f32>;`)} ${each(shareB, (i) => `var rb${i}: vec4<f32>;`)}`,
    fetch: (k: string) => `
      ${each(shareA, (i) => `{ ${placeA(i)} ra${i} = vec4<f32>(a[((row + p${i}) * N + ${k} + q${i}) / 4u]); }`)}
      ${each(shareB, (i) => `{ ${placeB(i)} rb${i} = vec4<f32>(b[((${k} + p${i}) * N + column + q${i}) / 4u]); }`)}`,
    bring: (number: (text: string) => string, transposedA: boolean) => `
      ${each(shareA, (i) => `{ ${placeA(i)} ${each(4, (j) => (transposedA ? `ta[(q${i} + ${j}u) * ${widthA}u + p${i}]` : `ta[p${i} * ${widthA}u + q${i} + ${j}u]`) + ` = ${number(`ra${i}[${j}]`)};`)} }`)}
      ${each(shareB, (i) => `{ ${placeB(i)} ${each(4, (j) => `tb[p${i} * ${widthB}u + q${i} + ${j}u] = ${number(`rb${i}[${j}]`)};`)} }`)}`,
  };
}

function loop(ahead: boolean, fetch: (k: string) => string, bring: string, terms: number, body: string): string {
  if (!ahead)
    return `for (var k = 0u; k < N; k += ${terms}u) { ${fetch("k")} ${bring} workgroupBarrier(); ${body} workgroupBarrier(); }`;
  return `${fetch("0u")}
    for (var k = 0u; k < N; k += ${terms}u) { ${bring} workgroupBarrier();
      if (k + ${terms}u < N) { let next = k + ${terms}u; ${fetch("next")} }
      ${body} workgroupBarrier(); }`;
}

/** Products of 16 bits by subgroup matrices, sums in f32; factors as the type says in memory. */
export function stagedMatrices({ M, N, K }: MatrixConfig, tile: Tile, type: string): string {
  const { rows, columns, terms, down, across, ahead } = tile;
  const threads = 32 * down * across;
  const [widthA, widthB] = [terms + 8, columns + 8];
  const [high, wide] = [rows / down / M, columns / across / N];
  const { registers, fetch, bring } = movement(tile, threads, widthA, widthB);
  const grid = (text: (i: number, j: number) => string) => each(high, (i) => each(wide, (j) => text(i, j)));
  const body = each(terms / K, (s) => `{
    ${each(high, (i) => `let l${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${K}, ${M}>, row_major>(&ta, (ty + ${i * M}u) * ${widthA}u + ${s * K}u, ${widthA}u);`)}
    ${each(wide, (j) => `let r${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, row_major>(&tb, ${s * K * widthB}u + tx + ${j * N}u, ${widthB}u);`)}
    ${grid((i, j) => `s${i}x${j} = subgroupMatrixMultiplyAccumulate(l${i}, r${j}, s${i}x${j});`)} }`);
  return `diagnostic(off, chromium.subgroup_matrix_uniformity);
enable f16; enable subgroups; enable chromium_experimental_subgroup_matrix;
${header(type, true)}
var<workgroup> ta: array<f16, ${rows * widthA}>;
var<workgroup> tb: array<f16, ${terms * widthB}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let row = group.y * ${rows}u; let column = group.x * ${columns}u;
  let own = lid / 32u;
  let ty = own / ${across}u * ${rows / down}u; let tx = own % ${across}u * ${columns / across}u;
  ${registers}
  ${grid((i, j) => `var s${i}x${j}: subgroup_matrix_result<f32, ${N}, ${M}>;`)}
  ${loop(ahead, fetch, bring((x) => `f16(${x})`, false), terms, body)}
  ${grid((i, j) => `subgroupMatrixStore<row_major>(&c, (row + ty + ${i * M}u) * N + column + tx + ${j * N}u, s${i}x${j}, N);`)}
}`;
}

/** Products of 32 bits: down x across threads, each with its part of the tile in vectors of four. */
export function stagedVectors(tile: Tile): string {
  const { rows, columns, terms, down, across, ahead } = tile;
  const threads = down * across;
  const [widthA, widthB] = [rows + 4, columns + 4];
  const [high, wide] = [rows / down / 4, columns / across / 4];
  const { registers, fetch, bring } = movement(tile, threads, widthA, widthB);
  const four = (name: string, at: string) =>
    `vec4(${name}[${at}], ${name}[${at} + 1u], ${name}[${at} + 2u], ${name}[${at} + 3u])`;
  const grid = (text: (i: number, y: number, j: number) => string) =>
    each(high, (i) => each(4, (y) => each(wide, (j) => text(i, y, j))));
  // A thread's rows and columns lie in groups of four, far from each other, so that neighbours read neighbours.
  const body = `for (var s = 0u; s < ${terms}u; s++) {
    ${each(high, (i) => `let l${i} = ${four("ta", `s * ${widthA}u + ty + ${(i * rows) / high}u`)};`)}
    ${each(wide, (j) => `let r${j} = ${four("tb", `s * ${widthB}u + tx + ${(j * columns) / wide}u`)};`)}
    ${grid((i, y, j) => `s${i}y${y}x${j} += l${i}[${y}] * r${j};`)} }`;
  return `${header("f32", true)}
var<workgroup> ta: array<f32, ${terms * widthA}>;
var<workgroup> tb: array<f32, ${terms * widthB}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let row = group.y * ${rows}u; let column = group.x * ${columns}u;
  let ty = lid / ${across}u * 4u; let tx = lid % ${across}u * 4u;
  ${registers}
  ${grid((i, y, j) => `var s${i}y${y}x${j}: vec4<f32>;`)}
  ${loop(ahead, fetch, bring((x) => x, true), terms, body)}
  ${grid((i, y, j) => each(4, (x) => `c[(row + ty + ${(i * rows) / high + y}u) * N + column + tx + ${(j * columns) / wide + x}u] = s${i}y${y}x${j}[${x}];`))}
}`;
}
