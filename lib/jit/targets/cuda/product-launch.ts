/** A product of a plan as a call of cuBLASLt, with what stands behind it there, or in a kernel of ours. */
import { sizeOf, type Value } from "../../graph.ts";
import type { KernelBuilder } from "../../plan/builder.ts";
import type { ProductCall } from "../../plan/library.ts";
import { NoAlgorithmError, type ProductKind } from "./cublaslt.ts";
import type { CudaDevice } from "./device.ts";
import { COLUMNS, epilogueText, THREADS } from "./epilogue-text.ts";
import { readyFunction } from "./functions.ts";
import type { Launch } from "./kernels.ts";

/** Blocks of a kernel whose threads go on to further numbers. */
const MOST_BLOCKS = 4096;

export async function productLaunch(
  device: CudaDevice,
  kernel: KernelBuilder,
  cache: boolean | string,
): Promise<Launch> {
  const { narrow } = kernel.placement;
  const { a, b, out, size, alpha, epilogue } = kernel.call!;
  const typeOf = (value: Value) => (narrow?.values.has(value) ? narrow.format : "float32");
  const factors = typeOf(a);
  const precision = factors === "float32" ? kernel.style.library! : "float32";
  const kind: ProductKind = {
    ...size,
    alpha,
    factors,
    precision,
    out: typeOf(out),
    epilogue: epilogue?.kind,
  };
  const { vector, argument } = epilogue ?? {};
  try {
    const product = await device.shelf!.get(kind, cache);
    return {
      kernel,
      launch: (placeOf) =>
        product.run({
          ...{ a: placeOf(a), b: placeOf(b), out: placeOf(out) },
          ...(vector && { vector: placeOf(vector) }),
          ...(argument && { argument: placeOf(argument) }),
        }),
    };
  } catch (error) {
    if (!epilogue || !(error instanceof NoAlgorithmError)) throw error;
    return inTwo(device, kernel, { ...kind, epilogue: undefined }, cache);
  }
}

/** The product alone, and a kernel behind it. */
async function inTwo(
  device: CudaDevice,
  kernel: KernelBuilder,
  kind: ProductKind,
  cache: boolean | string,
): Promise<Launch> {
  const call = kernel.call!;
  const { a, b, out, epilogue } = call;
  const product = await device.shelf!.get(kind, cache);
  const behind = await epilogueLaunch(device, call, kind, cache);
  return {
    kernel,
    launch(placeOf) {
      product.run({ a: placeOf(a), b: placeOf(b), out: placeOf(out) });
      const { vector, argument } = epilogue!;
      behind({
        a: placeOf(a),
        out: placeOf(out),
        vector: vector ? placeOf(vector) : 0n,
        argument: argument ? placeOf(argument) : 0n,
      });
    },
  };
}

type EpiloguePlaces = Record<"a" | "out" | "vector" | "argument", bigint>;

async function epilogueLaunch(
  device: CudaDevice,
  { out, size, epilogue }: ProductCall,
  { factors }: ProductKind,
  cache: boolean | string,
): Promise<(places: EpiloguePlaces) => void> {
  const { kind } = epilogue!;
  const isSums = kind === "factor sums";
  const count = sizeOf(out.shape);
  const blocks = isSums ? Math.ceil(size.rows / COLUMNS) : Math.min(Math.ceil(count / THREADS), MOST_BLOCKS);
  const { cells, launch } = await readyFunction(
    device,
    { text: epilogueText(kind, factors), label: kind, count: isSums ? 4 : 5 },
    { groups: [blocks, 1, 1], workgroup: THREADS },
    cache,
  );
  // The transposed factor has the sums' columns.
  const numbers = isSums ? [size.depth, size.rows] : [count, size.columns];
  cells.set(numbers.map(BigInt), isSums ? 2 : 3);
  return ({ a, out, vector, argument }) => {
    cells.set(isSums ? [a, vector] : [out, vector, argument]);
    launch();
  };
}
