/** Files that grow while the main thread waits for a child process: what comes into them is handed on as it comes. */
import { closeSync, openSync, readSync, rmSync } from "node:fs";

/** How often they are looked at, in milliseconds. */
const LOOK_EVERY = 30;

export interface Followers {
  follow(file: string, write: (text: string) => void): void;
  /** Hands on what is left, and removes the file. */
  finish(file: string): void;
}

export function createFollowers(): Followers {
  const followed = new Map<string, { look(): void; end(): void }>();
  return {
    follow(file, write) {
      const descriptor = openSync(file, "r");
      const decoder = new TextDecoder();
      const buffer = Buffer.alloc(64 * 1024);
      const look = (): void => {
        for (let length = 1; length > 0; ) {
          length = readSync(descriptor, buffer, 0, buffer.length, null);
          const text = decoder.decode(buffer.subarray(0, length), { stream: true });
          if (text !== "") write(text);
        }
      };
      const timer = setInterval(look, LOOK_EVERY);
      const end = (): void => {
        clearInterval(timer);
        closeSync(descriptor);
      };
      followed.set(file, { look, end });
    },
    finish(file) {
      followed.get(file)?.look();
      followed.get(file)?.end();
      followed.delete(file);
      rmSync(file, { force: true });
    },
  };
}
