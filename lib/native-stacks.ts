/** The stacks on which native libraries run, which are decided once, before the first is loaded. */
import koffi from "koffi";

/** onnxruntime recurses deeply, and it and MPICH keep buffers on the stack; by default 128 KiB are there. */
const STACK = 8 * 2 ** 20;
try {
  koffi.config({ sync_stack_size: STACK, async_stack_size: STACK });
} catch {
  // Refused once a library has been loaded with koffi; `deepStacks` says so, if it matters.
}

/** @throws where koffi was in use before, with smaller ones */
export function deepStacks(): void {
  if ((koffi.config().async_stack_size ?? 0) < STACK)
    throw new Error(
      `native libraries need stacks of ${STACK} bytes, but koffi was in use before ditlab was imported; import ditlab first`,
    );
}
