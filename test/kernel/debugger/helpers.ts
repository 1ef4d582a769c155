/** A front end's debugger: requests on the control channel, events as they are published. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Executed } from "../../../kernel/client/client.ts";
import type { KernelProcess } from "../../../kernel/client/process.ts";
import type { DapBreakpoint, DapFrame, DapScope, DapVariable } from "../../../kernel/debugger/dap.ts";
import type { Json } from "../../../kernel/protocol/message.ts";

export interface Stop {
  readonly reason: string;
  readonly text?: string;
}

export interface Debugger {
  /** The body of a response; rejects where that is no success. */
  ask<T = Json>(command: string, args?: Json): Promise<T>;
  /** The response, whatever it says. */
  respond(command: unknown, args?: unknown): Promise<Json>;
  attach(): Promise<void>;
  /** Sets breakpoints on lines of a cell, or of a file. */
  breakAt(
    source: { code: string } | { path: string },
    ...wanted: (number | Json)[]
  ): Promise<DapBreakpoint[]>;
  /** The next stop, which may have come already. */
  stopped(): Promise<Stop>;
  /** Whether nothing stops for a while. */
  runsOn(milliseconds?: number): Promise<boolean>;
  frames(): Promise<DapFrame[]>;
  /** The variables of a scope of the top frame, by their names. */
  variables(scope: string): Promise<Record<string, DapVariable>>;
  value(expression: string): Promise<string>;
  /** Goes on by a command to the next stop; returns the name and line of the top frame. */
  go(command: "next" | "stepIn" | "stepOut" | "continue"): Promise<string>;
  where(): Promise<string>;
  readonly events: string[];
}

export function openDebugger({ client }: KernelProcess): Debugger {
  let seq = 0;
  const stops: Stop[] = [];
  const events: string[] = [];
  client.onPublished(({ header, content }) => {
    if (header.msg_type !== "debug_event") return;
    events.push(String(content.event));
    if (content.event === "stopped") stops.push(content.body as Stop);
  });

  async function respond(command: unknown, args?: unknown): Promise<Json> {
    const content = { type: "request", seq: ++seq, command, arguments: args } as Json;
    const { header, content: reply } = await client.request("control", "debug_request", content);
    if (header.msg_type !== "debug_reply") throw new Error(`a debug_reply expected, got ${header.msg_type}`);
    return reply;
  }
  async function ask<T>(command: string, args: Json = {}): Promise<T> {
    const { success, message, body } = await respond(command, args);
    if (!success) throw new Error(`${command}: ${message}`);
    return body as T;
  }
  async function stopped(): Promise<Stop> {
    for (let waited = 0; waited < 10_000; waited += 5) {
      const stop = stops.shift();
      if (stop) return stop;
      await sleep(5);
    }
    throw new Error("the program did not stop");
  }
  const frames = async () =>
    (await ask<{ stackFrames: DapFrame[] }>("stackTrace", { threadId: 1 })).stackFrames;
  async function where(): Promise<string> {
    const [{ name, line }] = await frames();
    return `${name}:${line}`;
  }

  return {
    ask,
    respond,
    events,
    stopped,
    frames,
    where,
    async attach() {
      await ask("initialize", { clientID: "test" });
      await ask("attach");
    },
    async breakAt(source, ...wanted) {
      const path =
        "path" in source
          ? source.path
          : (await ask<{ sourcePath: string }>("dumpCell", { code: source.code })).sourcePath;
      const breakpoints = wanted.map((one) => (typeof one === "number" ? { line: one } : one));
      const set = await ask<{ breakpoints: DapBreakpoint[] }>("setBreakpoints", {
        source: { path },
        breakpoints,
      });
      return set.breakpoints;
    },
    async runsOn(milliseconds = 300) {
      await sleep(milliseconds);
      return stops.length === 0;
    },
    async variables(scope) {
      const [{ id: frameId }] = await frames();
      const { scopes } = await ask<{ scopes: DapScope[] }>("scopes", { frameId });
      const reference = scopes.find(({ name }) => name === scope)?.variablesReference;
      if (reference === undefined)
        throw new Error(`no scope ${scope} among ${scopes.map(({ name }) => name)}`);
      const listed = await ask<{ variables: DapVariable[] }>("variables", { variablesReference: reference });
      return Object.fromEntries(listed.variables.map((one) => [one.name, one]));
    },
    async value(expression) {
      const [{ id: frameId }] = await frames();
      return (await ask<{ result: string }>("evaluate", { expression, frameId, context: "repl" })).result;
    },
    async go(command) {
      await ask(command, { threadId: 1 });
      await stopped();
      return where();
    },
  };
}

/** What a cell printed. */
export const printed = ({ outputs }: Executed): string =>
  outputs
    .filter(({ header }) => header.msg_type === "stream")
    .map(({ content }) => content.text)
    .join("");
