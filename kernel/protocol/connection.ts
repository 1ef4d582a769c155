/** The connection file by which a front end tells a kernel where to listen. */
import { readFile } from "node:fs/promises";

export interface Connection {
  readonly transport: "tcp" | "ipc";
  readonly ip: string;
  readonly shell_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly control_port: number;
  readonly hb_port: number;
  readonly signature_scheme: string;
  /** Key of the HMAC; empty means that messages are not signed. */
  readonly key: string;
}

export type Channel = "shell" | "iopub" | "stdin" | "control" | "hb";
export const CHANNELS: readonly Channel[] = ["shell", "iopub", "stdin", "control", "hb"];

/** The ZeroMQ address of a channel. */
export function address(connection: Connection, channel: Channel): string {
  const port = connection[`${channel}_port`];
  return connection.transport === "ipc" ? `ipc://${connection.ip}-${port}` : `tcp://${connection.ip}:${port}`;
}

/** Reads and checks a connection file; the error names the file and the field. */
export async function readConnection(path: string): Promise<Connection> {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new Error(`cannot read the connection file ${path}: ${(error as Error).message}`);
  }
  const connection = { transport: "tcp", signature_scheme: "hmac-sha256", key: "", ...value } as Connection;
  const wrong = (field: string, expected: string) =>
    new Error(
      `connection file ${path}: ${field} must be ${expected}, got ${JSON.stringify(connection[field as keyof Connection])}`,
    );
  if (connection.transport !== "tcp" && connection.transport !== "ipc")
    throw wrong("transport", '"tcp" or "ipc"');
  if (typeof connection.ip !== "string" || connection.ip === "") throw wrong("ip", "an address");
  if (typeof connection.key !== "string") throw wrong("key", "text");
  if (connection.signature_scheme !== "hmac-sha256") throw wrong("signature_scheme", '"hmac-sha256"');
  for (const channel of CHANNELS) {
    const port = connection[`${channel}_port`];
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      throw wrong(`${channel}_port`, "a port from 1 to 65535");
  }
  return connection;
}
