/** Names for the parts of a model, which compiled graphs and profiles show. */
import { tf } from "./tf.ts";

let current = "";

/** The names of the scopes under way, outermost first, joined by "/". */
export const currentScope = (): string => current;

/** Runs `body` in a scope whose full name is known. */
export function withScope<T>(scope: string, body: () => T): T {
  const outer = current;
  current = scope;
  try {
    return body();
  } finally {
    current = outer;
  }
}

/** tfjs's record of an operation: its gradient is a function for each input. */
interface TapeNode {
  gradient?: (dys: unknown[]) => Record<string, () => unknown>;
}
const scoped = new WeakSet<TapeNode>();

/**
 * Runs `body` under a name. What it computes, and the gradient of what it computes (under `name/gradient`), carries the
 * name in the graphs that `jit` makes.
 */
export function namedScope<T>(name: string, body: () => T): T {
  const scope = current === "" ? name : `${current}/${name}`;
  const tape = (tf.engine().state as { activeTape?: TapeNode[] | null }).activeTape;
  const before = tape?.length ?? 0;
  const result = withScope(scope, body);
  // Gradients are computed long after, in the reverse order of the tape; scopes inside have had theirs.
  for (const node of tape?.slice(before) ?? []) {
    const { gradient } = node;
    if (!gradient || scoped.has(node)) continue;
    scoped.add(node);
    const inGradient = <G>(body: () => G): G => withScope(`${scope}/gradient`, body);
    node.gradient = (dys) =>
      Object.fromEntries(
        Object.entries(inGradient(() => gradient(dys))).map(([input, of]) => [input, () => inGradient(of)]),
      );
  }
  return result;
}
