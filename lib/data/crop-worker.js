// A worker thread's part of preparing images: from the sources in a checkout (through tsx, which does not reach into
// threads by itself), from the build in an installed package.
import { existsSync } from "node:fs";

const inCheckout = existsSync(new URL("crop.ts", import.meta.url));
if (inCheckout) {
  const { register } = await import("tsx/esm/api");
  register();
}
const crop = await import(
  new URL(inCheckout ? "crop.ts" : "../../dist/lib/data/crop.js", import.meta.url).href
);

export default crop.cropToPng;
