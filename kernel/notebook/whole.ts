/** Documents that are written whole or not at all. */
import { writeWhole as write } from "../../lib/whole.ts";

/** Whether a text would be longer than V8 can have one: 512 MB. */
export const isTooLong = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException).code === "ERR_STRING_TOO_LONG" ||
  (error instanceof RangeError && error.message === "Invalid string length");

/** Writes a text whole or not at all; the error says in a sentence why not. */
export async function writeWhole(path: string, textOf: () => string): Promise<void> {
  let text: string;
  try {
    text = textOf();
  } catch (error) {
    if (!isTooLong(error)) throw error;
    throw new Error(
      `${path} was not written, since it would have more than 512 MB; what was there is as it was`,
      {
        cause: error,
      },
    );
  }
  await write(path, text);
}
