// A process that tries a device, so that a broken driver ends this one alone. Arguments: the device, and `software` where
// a processor may play the GPU.
import { load } from "../load.js";

const { tryDevice } = await load("lib/devices/trial");
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
