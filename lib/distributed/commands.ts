/** Which commands a launcher of several processes may start. */

/** Those whose work the processes share. */
export const SHARED_COMMANDS: readonly string[] = [
  "train",
  "sample",
  "evaluate",
  "probe",
  ...["images", "latents", "features", "shards", "captions", "reference"].map((what) => `prepare ${what}`),
];

/** Those of which each process works, or looks, for itself. */
const SEPARATE: readonly string[] = ["worker", "watch", "devices", "help"];

/** How the processes of a launch do a command together: by shares, each for itself, or not at all. */
export function togetherness(args: readonly string[]): {
  command: string;
  kind: "shared" | "separate" | "refused";
} {
  const [name = "help", what = ""] = args;
  const command = name === "prepare" ? `${name} ${what}` : name;
  const looks = name.startsWith("-") || args.some((arg) => arg === "--help" || arg === "-h");
  if (looks || SEPARATE.includes(name)) return { command, kind: "separate" };
  return { command, kind: SHARED_COMMANDS.includes(command) ? "shared" : "refused" };
}
