/** Image files, for those who read or write them: sharp loads 19 MB of libraries and sets an environment variable. */
import type sharp from "sharp";

export const loadSharp = async (): Promise<typeof sharp> => (await import("sharp")).default;
