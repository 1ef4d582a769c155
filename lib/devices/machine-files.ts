/** What a machine says of itself in files: what is not there, or may not be read, says nothing. */
import { readdirSync, readFileSync } from "node:fs";

/** The names in a folder. */
export function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
