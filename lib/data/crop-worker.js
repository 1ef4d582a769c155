// A worker thread's part of preparing images, which outside of the build loads the program as the command does: tsx does
// not reach into threads by itself.
import { load } from "../load.js";

export default (await load("lib/data/crop")).cropToPng;
