/** The comms of the kernel that runs this code; in scripts, comms that nobody hears. */
import { sink } from "../display/sink.ts";
import { type Comms, createComms } from "./comms.ts";

const silent = createComms(
  () => {},
  (error) => console.error(error),
);

/**
 * Messages to and from code in the front end: `comms.open(target, data)` opens a comm to it, `comms.register(target,
 * handler)` takes those that it opens.
 */
export const comms: Comms = {
  open: (...given) => (sink().comms ?? silent).open(...given),
  register: (...given) => (sink().comms ?? silent).register(...given),
};
