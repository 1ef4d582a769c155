/** A traced graph in what kernels are written for: the order of a program is the plan's to choose. */
import type { Dialect } from "../../dialect.ts";

export const KERNELS: Dialect = {};
