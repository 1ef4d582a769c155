/** What one cell does: its code, what it shows at its end, and what a front end asks beside it. */
import { type CellReader, cellParts } from "../commands/parse.ts";
import type { MimeBundle } from "../display/sink.ts";
import type { Engine, Outcome } from "../engine/engine.ts";
import { describeError, type Failure } from "../engine/errors.ts";
import { type NameQuestion, nameQuestion } from "../engine/question.ts";
import type { History } from "../history/history.ts";
import type { Json } from "../protocol/message.ts";
import { type Cell, inCell } from "../runtime/cell.ts";
import { orInterrupted } from "../runtime/interrupt.ts";
import type { Outbox } from "./outbox.ts";

/** What running a cell needs. */
export interface CellRunner {
  readonly engine: Engine;
  readonly history: History;
  readonly outbox: Outbox;
  /** What a value looks like. */
  readonly render: (value: unknown) => MimeBundle | Promise<MimeBundle>;
  /** Sends what was printed before. */
  readonly flush: () => void;
  /** Says how long a cell took that asked for its time. */
  readonly stopClock: () => void;
}

export interface CellOutcome {
  readonly failure?: Failure;
  /** The values of the user expressions, unless the cell failed. */
  readonly expressions: Json;
}

/** Shows what is known of a name in the front end's pager. */
function answerQuestion({ engine }: CellRunner, cell: Cell, { name, wantsSource }: NameQuestion): void {
  const found = engine.inspect(name, name.length, 1);
  if (!found) {
    process.stdout.write(`Nothing is known of ${name}.\n`);
    return;
  }
  const source = wantsSource ? (engine.sourceOf(name) ?? "") : "";
  const text = [found.signature, found.documentation, source].filter((part) => part !== "").join("\n\n");
  cell.payload.push({ source: "page", data: { "text/plain": text }, start: 0 });
}

/** Publishes the value of the last expression, and notes it in the history. */
async function publishValue(runner: CellRunner, cell: Cell, value: unknown): Promise<void> {
  const { render, flush, outbox, history } = runner;
  const data = await orInterrupted(Promise.resolve(render(value)), cell);
  // What `display(...)` returns, for example, has been shown already.
  if (Object.keys(data).length === 0) return;
  flush();
  outbox.publish(cell.request, "execute_result", { execution_count: cell.count, data, metadata: {} });
  const entry = history.latest();
  if (entry?.line === cell.count) entry.output = String(data["text/plain"] ?? "");
}

const readerOf = (engine: Engine): CellReader => ({
  isWhole: (code) => engine.isComplete(code).status === "complete",
  isGrammatical: engine.isGrammatical,
  isKnown: (name) =>
    engine.inspect(name, name.length, 0) !== undefined || /^(true|false|null|undefined)$/.test(name),
});

async function runCode(
  runner: CellRunner,
  cell: Cell,
  code: string,
  silent: boolean,
): Promise<Failure | undefined> {
  const { engine } = runner;
  if (code.trim() === "") return undefined;
  const question = nameQuestion(code);
  if (question) {
    answerQuestion(runner, cell, question);
    return undefined;
  }
  let outcome: Outcome = { status: "ok", value: undefined };
  try {
    for (const part of cellParts(code, readerOf(engine))) {
      outcome = await engine.run(part, `cell[${cell.count}]`);
      if (outcome.status === "error") return outcome;
    }
  } catch (error) {
    return describeError(error);
  } finally {
    runner.stopClock();
  }
  if (silent || outcome.value === undefined || outcome.value === null) return undefined;
  try {
    await publishValue(runner, cell, outcome.value);
  } catch (error) {
    return describeError(error);
  }
  return undefined;
}

/** Waits for outputs that take time to make (images of sharp); they say themselves when they fail. */
async function finishOutputs(cell: Cell): Promise<Failure | undefined> {
  try {
    await orInterrupted(Promise.allSettled(cell.unfinished), cell);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

/** Evaluates what a front end wants to know beside a cell. */
async function userExpressions(
  { engine, render }: CellRunner,
  cell: Cell,
  expressions: Record<string, string>,
): Promise<Json> {
  const results: Json = {};
  for (const [name, expression] of Object.entries(expressions)) {
    try {
      const value = await engine.evaluate(expression);
      const data = await orInterrupted(Promise.resolve(render(value)), cell);
      results[name] = { status: "ok", data, metadata: {} };
    } catch (error) {
      results[name] = { status: "error", ...describeError(error) };
    }
  }
  return results;
}

/** Runs a cell to its end. */
export const runCell = (
  runner: CellRunner,
  cell: Cell,
  code: string,
  { silent, expressions }: { silent: boolean; expressions: Record<string, string> },
): Promise<CellOutcome> =>
  inCell(cell, async () => {
    const failure = (await runCode(runner, cell, code, silent)) ?? (await finishOutputs(cell));
    return { failure, expressions: failure ? {} : await userExpressions(runner, cell, expressions) };
  });
