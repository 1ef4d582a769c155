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
  /** Keys of CurveZMQ in Z85, both or none: with them all that is sent is encrypted, and who does not know them cannot connect. */
  readonly curve_publickey?: string;
  readonly curve_secretkey?: string;
}

export type Channel = "shell" | "iopub" | "stdin" | "control" | "hb";
export const CHANNELS: readonly Channel[] = ["shell", "iopub", "stdin", "control", "hb"];

/** What the kernel's sockets need to encrypt what they send, and to refuse those who do not know the keys. */
export const serverEncryption = ({ curve_secretkey }: Connection) =>
  curve_secretkey === undefined ? {} : { curveServer: true, curveSecretKey: curve_secretkey };

/** What a front end's sockets need to talk to such a kernel. */
export const clientEncryption = ({ curve_publickey, curve_secretkey }: Connection) =>
  curve_secretkey === undefined
    ? {}
    : { curveServerKey: curve_publickey, curvePublicKey: curve_publickey, curveSecretKey: curve_secretkey };

/** Z85 of 32 bytes. */
const CURVE_KEY = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

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
  const keys = (["curve_publickey", "curve_secretkey"] as const).filter((field) => connection[field] != null);
  for (const field of keys)
    if (!CURVE_KEY.test(String(connection[field])))
      throw wrong(field, "a key of CurveZMQ, 40 characters of Z85");
  if (keys.length === 1)
    throw new Error(
      `connection file ${path}: curve_publickey and curve_secretkey come together, got ${keys[0]} alone`,
    );
  for (const channel of CHANNELS) {
    const port = connection[`${channel}_port`];
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      throw wrong(`${channel}_port`, "a port from 1 to 65535");
  }
  const { curve_publickey, curve_secretkey, ...rest } = connection;
  return keys.length === 0 ? rest : connection;
}
