/** The weights with which the fixture's features were measured: a formula, for the real ones are a download. */
import { inceptionShapes } from "../../lib/metrics/index.ts";

const parameter = (name: string, s: number, each: number): number => {
  if (name.endsWith("running_var")) return 1 + 0.5 * s * s;
  if (name.endsWith("bn.weight")) return 1 + 0.1 * s;
  return name.endsWith(".weight") ? (2 / Math.sqrt(each)) * s : 0.1 * s;
};

/** For the L-th name in order and the i-th value from 1: s = sin(12.9898 i + L). */
export function formulaWeights(): Record<string, Float32Array> {
  const shapes = inceptionShapes();
  const named = Object.keys(shapes)
    .sort()
    .map((name, at): [string, Float32Array] => {
      const size = shapes[name].reduce((product, n) => product * n, 1);
      const each = size / shapes[name][0];
      return [
        name,
        Float32Array.from({ length: size }, (_, i) =>
          parameter(name, Math.sin(12.9898 * (i + 1) + at), each),
        ),
      ];
    });
  return Object.fromEntries(named);
}
