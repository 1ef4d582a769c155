/** What stands behind a product of a library, and the library can do on its way: biases, GELU, its slope, and sums. */
import { type GraphNode, OWN, sizeOf, type Value } from "../graph.ts";
import type { Stage } from "./kernels.ts";
import { type Epilogue, type ProductCall, productCall } from "./library.ts";
import { ints, unshaped } from "./root.ts";
import type { Users } from "./stages.ts";

/** Numbers of a row are a multiple of this where the library keeps GELU's argument. */
const ROW_MULTIPLE = 8;

export interface EpilogueContext {
  stored: Set<Value>;
  narrow: ReadonlySet<Value>;
  users: Users;
  results: ReadonlySet<Value>;
  positions: ReadonlyMap<GraphNode, number>;
}

const isGelu = (node: GraphNode | undefined, op: "Gelu" | "GeluGradient"): boolean =>
  node?.domain === OWN && node.op === op;

/** The number a column that a value adds to a product. */
function biasOf({ node }: Value, product: Value, columns: number): Value | undefined {
  if (node?.op !== "Add") return undefined;
  const [a, b] = node.inputs;
  const bias = unshaped(a) === product ? b : unshaped(b) === product ? a : undefined;
  return bias && sizeOf(bias.shape) === columns && bias.shape.at(-1) === columns ? bias : undefined;
}

/** Gives each product that a library computes its call, and takes over what it can do of the stages behind. */
export function callsOf(stages: readonly Stage[], context: EpilogueContext, inHalves: boolean): Stage[] {
  const stageOf = new Map<Value, Stage>();
  for (const stage of stages) for (const value of stage.values) stageOf.set(value, stage);
  const gone = new Set<Stage>();
  for (const stage of stages) {
    const call = stage.root && productCall(stage.root);
    if (!call) continue;
    stage.call = call;
    // In float32 what the library adds to a product has not been seen to be right on hardware.
    if (inHalves) takeOver(stage, call, stageOf, gone, context);
  }
  if (inHalves) takeFactorSums(stages, gone, context);
  return stages.filter((stage) => !gone.has(stage));
}

/** A bias, GELU, or its slope, behind a product that nothing else reads. */
function takeOver(
  stage: Stage,
  call: ProductCall,
  stageOf: ReadonlyMap<Value, Stage>,
  gone: Set<Stage>,
  { stored, narrow, users, results }: EpilogueContext,
): void {
  const { out: product, size } = call;
  const { columns, batch } = size;
  const [user, ...others] = users.get(product) ?? [];
  if (!user || others.length > 0 || "op" in user || results.has(product)) return;
  if (batch !== 1 || columns % ROW_MULTIPLE !== 0) return;
  const lies = (value: Value): boolean =>
    narrow.has(value) && !results.has(value) && sizeOf(value.shape) === sizeOf(product.shape);
  const isAlone = (value: Value): boolean => stageOf.get(value)?.values.length === 1;
  const become = (values: Value[], out: Value, epilogue: Epilogue): void => {
    const places = values.map((value) => stageOf.get(value)!);
    for (const place of places) gone.add(place);
    stored.delete(product);
    Object.assign(stage, { values, position: places[0].position, call: { ...call, out, epilogue } });
  };
  if (!lies(user) || !isAlone(user)) return;
  const { node } = user;
  if (isGelu(node, "GeluGradient")) {
    const [slope, x] = node!.inputs;
    const argument = unshaped(x);
    if (unshaped(slope) === product && stored.has(argument) && lies(argument))
      become([user], user, { kind: "gelu gradient", argument });
    return;
  }
  if (isGelu(node, "Gelu")) {
    const vector = biasOf(unshaped(node!.inputs[0]), product, columns);
    if (vector) become([user], user, { kind: "gelu", vector });
    return;
  }
  const vector = biasOf(user, product, columns);
  if (!vector) return;
  const gelu = [...(users.get(user) ?? [])].find(
    (value): value is Value =>
      !("op" in value) && isGelu(value.node, "Gelu") && unshaped(value.node!.inputs[0]) === user,
  );
  if (gelu && lies(gelu) && isAlone(gelu))
    become([user, gelu], gelu, { kind: "gelu with argument", vector, argument: user });
  else become([user], user, { kind: "bias", vector });
}

/** The sums over the rows of a product's transposed factor, a bias's gradient, in parts or at once. */
function takeFactorSums(
  stages: readonly Stage[],
  gone: Set<Stage>,
  { stored, narrow, users, positions }: EpilogueContext,
): void {
  const hosts = new Map<Value, Stage>();
  for (const stage of stages) {
    const { call } = stage;
    if (call?.size.transA && call.size.batch === 1 && narrow.has(call.a) && !narrow.has(call.out))
      hosts.set(call.a, stage);
  }
  const partial = new Map<Value, Stage>();
  for (const stage of stages)
    if (stage.root?.op === "PartialReduceSum" && stage.values.length === 1)
      partial.set(stage.values[0], stage);
  for (const stage of stages) {
    const { root, beside } = stage;
    if (root?.op !== "ReduceSum" || beside || !root.inputs[1]) continue;
    const [sums] = root.outputs;
    const parts = partial.get(root.inputs[0]);
    const [from, axes] = (parts?.root ?? root).inputs;
    const host = hosts.get(unshaped(from));
    if (!host?.call || host.call.epilogue || !axes) continue;
    const { depth, rows } = host.call.size;
    const over = ints(axes);
    const isOverRows =
      over.every((axis, i) => axis === i) && over.reduce((n, axis) => n * from.shape[axis], 1) === depth;
    const isUnread = [...(users.get(sums) ?? [])].every(
      (user) => positions.get("op" in user ? user : user.node!)! > host.position,
    );
    if (!isOverRows || sizeOf(sums.shape) !== rows || rows < 2 || narrow.has(sums) || !isUnread) continue;
    if (parts && users.get(parts.values[0])!.size > 1) continue;
    host.call = { ...host.call, epilogue: { kind: "factor sums", vector: sums } };
    host.values.push(sums);
    gone.add(stage);
    if (parts) {
      gone.add(parts);
      stored.delete(parts.values[0]);
    }
  }
}
