// A process that tries a device, so that a broken driver ends this one alone: from the sources in a checkout (through tsx),
// from the build in an installed package. Arguments: the device, and `software` where a processor may play the GPU.
import { existsSync } from "node:fs";

const inCheckout = existsSync(new URL("trial.ts", import.meta.url));
if (inCheckout) {
  const { register } = await import("tsx/esm/api");
  register();
}
const { tryDevice } = await import(
  new URL(inCheckout ? "trial.ts" : "../../dist/lib/devices/trial.js", import.meta.url).href
);
const [, , device, software] = process.argv;
const report = (findings) =>
  new Promise((done) => process.stdout.write(`${JSON.stringify({ findings })}\n`, done));
try {
  await tryDevice(device, report, software === "software");
} catch (error) {
  const { message, fix } = error;
  await new Promise((done) => process.stdout.write(`${JSON.stringify({ error: message, fix })}\n`, done));
}
// Drivers' threads would keep it, or fall over one another.
process.exit(0);
