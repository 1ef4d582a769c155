/** Convolutions and pools, a thread for each number of the result. */
import { sizeOf } from "../graph.ts";
import { Index } from "./builder.ts";
import type { Root } from "./root.ts";
import { threads } from "./threads.ts";

const list = (attributes: Record<string, unknown>, name: string, otherwise: number[]): number[] =>
  (attributes[name] as number[] | undefined) ?? otherwise;

/** How a convolution's windows lie, with what ONNX takes where nothing is said. */
const windowOf = (attributes: Record<string, unknown>) => ({
  group: (attributes.group as number | undefined) ?? 1,
  strides: list(attributes, "strides", [1, 1]),
  dilations: list(attributes, "dilations", [1, 1]),
  pads: list(attributes, "pads", [0, 0, 0, 0]),
});

const conv: Root = (kernel, { inputs: [x, weights, bias], outputs: [out], attributes }, finish) => {
  const { language } = kernel;
  const { group, strides, dilations, pads } = windowOf(attributes);
  const [, channels, height, width] = x.shape;
  const [outputs, , kh, kw] = weights.shape;
  const perGroup = channels / group;
  const index = new Index(out.shape, undefined, threads(kernel, sizeOf(out.shape)));
  const [n, o, oy, ox] = index.coords(kernel);
  const sum = kernel.variable("f32", language.literal("f32", 0));
  const firstChannel = kernel.let(
    "u32",
    group === 1 ? "0u" : `(${o} / ${kernel.size(outputs / group)}) * ${kernel.size(perGroup)}`,
  );
  const place = (at: string, axis: 0 | 1, offset: string): string =>
    `${at} * ${kernel.size(strides[axis])} + ${offset} * ${kernel.size(dilations[axis])} - ${kernel.size(pads[axis])}`;
  kernel.repeat("c", "0u", kernel.size(perGroup), "1u", () =>
    kernel.repeat("r", "0u", kernel.size(kh), "1u", () => {
      kernel.push(language.constant("u32", "y", place(oy, 0, "r")));
      kernel.block(`if (y < ${kernel.size(height)})`, () =>
        kernel.repeat("s", "0u", kernel.size(kw), "1u", () => {
          kernel.push(language.constant("u32", "xx", place(ox, 1, "s")));
          kernel.block(`if (xx < ${kernel.size(width)})`, () => {
            const channel = kernel.let("u32", `${firstChannel} + c`);
            const pixel = kernel.load(x, new Index(x.shape, [n, channel, "y", "xx"]));
            const weight = kernel.load(weights, new Index(weights.shape, [o, "c", "r", "s"]));
            kernel.push(`${sum} += ${pixel} * ${weight};`);
          });
        }),
      );
    }),
  );
  if (bias) kernel.push(`${sum} += ${kernel.load(bias, new Index(bias.shape, [o]))};`);
  finish(out, index, sum);
};

/** The transpose of a convolution: each number sums the windows that reached it. */
const convTranspose: Root = (kernel, { inputs: [x, weights], outputs: [out], attributes }, finish) => {
  const { language } = kernel;
  const { group, strides, dilations, pads } = windowOf(attributes);
  const [, channels, height, width] = x.shape;
  const [, perGroup, kh, kw] = weights.shape;
  const index = new Index(out.shape, undefined, threads(kernel, sizeOf(out.shape)));
  const [n, o, oy, ox] = index.coords(kernel);
  const sum = kernel.variable("f32", language.literal("f32", 0));
  const inGroup = channels / group;
  const firstChannel = kernel.let(
    "u32",
    group === 1 ? "0u" : `(${o} / ${kernel.size(perGroup)}) * ${kernel.size(inGroup)}`,
  );
  const within = group === 1 ? o : kernel.let("u32", `${o} % ${kernel.size(perGroup)}`);
  /** The window whose offset reaches a place, if one does: below zero is far above. */
  const reach = (at: string, axis: 0 | 1, offset: string): string =>
    `${at} + ${kernel.size(pads[axis])} - ${offset} * ${kernel.size(dilations[axis])}`;
  kernel.repeat("r", "0u", kernel.size(kh), "1u", () => {
    kernel.push(language.constant("u32", "y", reach(oy, 0, "r")));
    const [down, across] = [kernel.size(strides[0]), kernel.size(strides[1])];
    kernel.block(`if (y % ${down} == 0u && y / ${down} < ${kernel.size(height)})`, () =>
      kernel.repeat("s", "0u", kernel.size(kw), "1u", () => {
        kernel.push(language.constant("u32", "xx", reach(ox, 1, "s")));
        kernel.block(`if (xx % ${across} == 0u && xx / ${across} < ${kernel.size(width)})`, () =>
          kernel.repeat("c", "0u", kernel.size(inGroup), "1u", () => {
            const channel = kernel.let("u32", `${firstChannel} + c`);
            const row = kernel.let("u32", `y / ${down}`);
            const column = kernel.let("u32", `xx / ${across}`);
            const number = kernel.load(x, new Index(x.shape, [n, channel, row, column]));
            const weight = kernel.load(weights, new Index(weights.shape, [channel, within, "r", "s"]));
            kernel.push(`${sum} += ${number} * ${weight};`);
          }),
        );
      }),
    );
  });
  finish(out, index, sum);
};

const pool =
  (isMax: boolean): Root =>
  (kernel, { inputs: [x], outputs: [out], attributes }, finish) => {
    const { language } = kernel;
    const [kh, kw] = attributes.kernel_shape as number[];
    const strides = list(attributes, "strides", [1, 1]);
    const pads = list(attributes, "pads", [0, 0, 0, 0]);
    const [, , height, width] = x.shape;
    const index = new Index(out.shape, undefined, threads(kernel, sizeOf(out.shape)));
    const [n, c, oy, ox] = index.coords(kernel);
    const total = kernel.variable("f32", language.literal("f32", isMax ? -3.4028234663852886e38 : 0));
    const count = kernel.variable("f32", language.literal("f32", 0));
    kernel.repeat("r", "0u", kernel.size(kh), "1u", () => {
      kernel.push(
        language.constant("u32", "y", `${oy} * ${kernel.size(strides[0])} + r - ${kernel.size(pads[0])}`),
      );
      kernel.block(`if (y < ${kernel.size(height)})`, () =>
        kernel.repeat("s", "0u", kernel.size(kw), "1u", () => {
          const column = `${ox} * ${kernel.size(strides[1])} + s - ${kernel.size(pads[1])}`;
          kernel.push(language.constant("u32", "xx", column));
          kernel.block(`if (xx < ${kernel.size(width)})`, () => {
            const number = kernel.load(x, new Index(x.shape, [n, c, "y", "xx"]));
            kernel.push(
              `${total} = ${isMax ? language.call("max", total, number) : `${total} + ${number}`};`,
            );
            kernel.push(`${count} += ${language.literal("f32", 1)};`);
          });
        }),
      );
    });
    finish(out, index, kernel.let("f32", isMax ? total : `${total} / ${count}`));
  };

/** Images resized with linear weights between the two nearest pixels of each axis. */
const resize: Root = (kernel, { inputs: [x], outputs: [out], attributes }, finish) => {
  const { language } = kernel;
  const f = (value: number): string => language.literal("f32", value);
  const toFloat = (index: string): string => language.convert("u32", "f32", index);
  const transform = attributes.coordinate_transformation_mode;
  const place = new Index(out.shape, undefined, threads(kernel, sizeOf(out.shape)));
  const [n, c, ...at] = place.coords(kernel);
  /** The two pixels of an axis, and the share of the second. */
  const between = (axis: 0 | 1): [below: string, above: string, share: string] => {
    const [from, to] = [x.shape[2 + axis], out.shape[2 + axis]];
    const corners = transform === "align_corners" ? 1 : 0;
    const ratio = `(${toFloat(kernel.size(from))} - ${f(corners)}) / ${language.call("max", `${toFloat(kernel.size(to))} - ${f(corners)}`, f(1))}`;
    const half = transform === "half_pixel" ? 0.5 : 0;
    const exact = `(${toFloat(at[axis])} + ${f(half)}) * ${ratio} - ${f(half)}`;
    const last = toFloat(kernel.size(from - 1));
    const source = kernel.let("f32", language.call("min", language.call("max", exact, f(0)), last));
    const floor = kernel.let("f32", language.call("floor", source));
    const below = kernel.let("u32", language.convert("f32", "u32", floor));
    const above = kernel.let(
      "u32",
      language.convert("f32", "u32", language.call("min", `${floor} + ${f(1)}`, last)),
    );
    return [below, above, kernel.let("f32", `${source} - ${floor}`)];
  };
  const [top, bottom, down] = between(0);
  const [left, right, across] = between(1);
  const pixel = (row: string, column: string): string =>
    kernel.load(x, new Index(x.shape, [n, c, row, column]));
  const mixed = (a: string, b: string, share: string): string =>
    kernel.let("f32", `${a} * (${f(1)} - ${share}) + ${b} * ${share}`);
  const upper = mixed(pixel(top, left), pixel(top, right), across);
  const lower = mixed(pixel(bottom, left), pixel(bottom, right), across);
  finish(out, place, mixed(upper, lower, down));
};

export const WINDOWS: Readonly<Record<string, Root>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool(true),
  AveragePool: pool(false),
  Resize: resize,
};
