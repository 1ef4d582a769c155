// The thread of a worker that holds its jobs, which outside of the build loads the program as the command does: tsx does
// not reach into threads by itself.
import { load } from "../../load.js";

await (await load("lib/distributed/queue/holder")).holdJobs();
