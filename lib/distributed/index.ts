export { type Communicator, type Numbers, RankError } from "./communicator.ts";
export { type Launch, launchOf } from "./launch.ts";
export type { MpiOptions } from "./mpi.ts";
export { joinRanks } from "./rank-process.ts";
export { type Link, parseLink, predictStep, type Scaling } from "./scaling.ts";
