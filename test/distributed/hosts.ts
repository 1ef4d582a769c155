/**
 * Two hosts on this machine: network namespaces with names and addresses of their own, and a switch between them whose cable
 * can be pulled.
 */
import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../io/helpers.ts";
import type { Launcher } from "./helpers.ts";

const NET = "10.77.0";
const NAMES = ["a", "b"] as const;
type HostName = (typeof NAMES)[number];

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });

export interface Hosts {
  /** A launcher that starts ranks on both hosts in turn, itself on the first. */
  launcher(engine: Launcher): Launcher;
  /** Pulls the second host's cable out of the switch, or puts it in again: neither host sees that by itself. */
  cut(): void;
  mend(): void;
  /** Kills all that runs on a host. */
  kill(host: HostName): void;
  close(): void;
}

/**
 * What the launchers' remote shell does: `agent host command...`. As ssh it stays on the host where it was started, and notices
 * nothing of a host that is gone.
 */
const agent = (prefix: string): string => `#!/bin/sh
while [ "\${1#-}" != "$1" ]; do shift; done
case $1 in ${NET}.1) host=a ;; *) host=b ;; esac
shift
COMMAND="$*" ip netns exec ${prefix}-$host unshare --uts sh -c "hostname host-$host; exec sh -c \\"\\$COMMAND\\""
status=$?
if [ $status = 137 ]; then exec sleep 300; fi
exit $status
`;

/** Makes them. @returns why it cannot, as where this is not root's machine */
export async function makeHosts(): Promise<Hosts | string> {
  const prefix = `ditlab-${process.pid}`;
  const space = (name: string): string => `${prefix}-${name}`;
  const kill = (host: HostName): void => {
    for (const pid of ip("netns", "pids", space(host)).split("\n").filter(Boolean))
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
  };
  const close = (): void => {
    for (const name of ["switch", ...NAMES])
      try {
        if (name !== "switch") kill(name as HostName);
        ip("netns", "delete", space(name));
      } catch {
        // It was never made.
      }
  };
  try {
    for (const name of ["switch", ...NAMES]) {
      ip("netns", "add", space(name));
      ip("-n", space(name), "link", "set", "lo", "up");
    }
    const onSwitch = ["-n", space("switch"), "link"];
    ip(...onSwitch, "add", "bridge", "type", "bridge");
    ip(...onSwitch, "set", "bridge", "up");
    for (const [i, name] of NAMES.entries()) {
      const veth = ["type", "veth", "peer", "name", "eth0", "netns", space(name)];
      ip(...onSwitch, "add", `port-${name}`, ...veth);
      ip(...onSwitch, "set", `port-${name}`, "master", "bridge", "up");
      ip("-n", space(name), "address", "add", `${NET}.${i + 1}/24`, "dev", "eth0");
      ip("-n", space(name), "link", "set", "eth0", "up");
    }
  } catch (error) {
    close();
    return `no network namespaces here: ${(error as Error).message.trim().split("\n").at(-1)}`;
  }
  const shell = join(await temporaryFolder(), "agent.sh");
  await writeFile(shell, agent(prefix));
  await chmod(shell, 0o755);
  const addresses = `${NET}.1,${NET}.2`;
  const engineOptions: Record<Launcher["name"], readonly string[]> = {
    // Over TCP alone, as between machines: both would find out that memory is shared.
    openmpi: [
      ...["--allow-run-as-root", "--mca", "plm_rsh_agent", shell, "--mca", "pml", "ob1"],
      ...["--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", `${NET}.0/24`],
      ...["--mca", "oob_tcp_if_include", `${NET}.0/24`, "--host", addresses],
    ],
    mpich: [
      ...["-launcher", "rsh", "-launcher-exec", shell, "-hosts", addresses],
      ...["-genv", "UCX_TLS", "tcp,self", "-genv", "MPIR_CVAR_NOLOCAL", "1"],
    ],
  };
  const inFirst = ["netns", "exec", space("a"), "unshare", "--uts", "sh", "-c"];
  const onSwitch = ["-n", space("switch"), "link", "set", "port-b"];
  return {
    launcher: ({ name, command, isInstalled }) => ({
      ...{ name, isInstalled, command: "ip" },
      options: [...inFirst, 'hostname host-a; exec "$@"', "sh", command, ...engineOptions[name]],
    }),
    cut: () => void ip(...onSwitch, "nomaster"),
    mend: () => void ip(...onSwitch, "master", "bridge"),
    kill,
    close,
  };
}
