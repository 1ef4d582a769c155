/** The file that the build writes. */
export const REGISTRATIONS: string;

/** Its text. */
export function registrations(): Promise<string>;

export function writeRegistrations(): Promise<void>;
