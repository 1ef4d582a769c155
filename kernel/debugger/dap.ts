/** The part of the Debug Adapter Protocol, and of Jupyter's additions to it, that the kernel speaks. */

export interface DapSource {
  readonly name?: string;
  readonly path: string;
}

/** A breakpoint as a front end asks for it. */
export interface WantedBreakpoint {
  readonly line: number;
  readonly column?: number;
  /** Stops only where this expression holds. */
  readonly condition?: string;
  /** Printed instead of a stop; expressions stand in braces. */
  readonly logMessage?: string;
}

/** A breakpoint as it came to be. */
export interface DapBreakpoint {
  readonly verified: boolean;
  readonly line: number;
  readonly source: DapSource;
}

export interface DapFrame {
  readonly id: number;
  readonly name: string;
  readonly source: DapSource;
  readonly line: number;
  readonly column: number;
}

export interface DapScope {
  readonly name: string;
  readonly variablesReference: number;
  readonly expensive: boolean;
}

export interface DapVariable {
  readonly name: string;
  readonly value: string;
  readonly type: string;
  /** An expression that gives the value. */
  readonly evaluateName?: string;
  /** What asks for the value's parts; 0 where it has none. */
  readonly variablesReference: number;
  readonly indexedVariables?: number;
  readonly namedVariables?: number;
}

/** Why the program stopped. */
export type StopReason = "breakpoint" | "step" | "pause" | "exception";

/** The only thread that runs cells. */
export const THREAD = { id: 1, name: "main" } as const;

export const EXCEPTION_FILTERS = [
  { filter: "uncaught", label: "Uncaught Exceptions", description: "Exceptions that no catch handles" },
  { filter: "all", label: "All Exceptions", description: "Exceptions as they are thrown" },
] as const;

export const CAPABILITIES = {
  supportsConfigurationDoneRequest: true,
  supportsConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsSetVariable: true,
  supportsEvaluateForHovers: true,
  supportsExceptionInfoRequest: true,
  supportsModulesRequest: true,
  supportsTerminateRequest: true,
  exceptionBreakpointFilters: EXCEPTION_FILTERS,
} as const;
