/** Numbers, lines and pieces of a byte array, one after the other. */
export interface ByteReader {
  position(): number;
  /** A view of the next bytes. */
  take(length: number): Uint8Array;
  /** Little-endian, unsigned, of 1, 2, 4 or 8 bytes. */
  uint(size: 1 | 2 | 4 | 8): number;
  int32(): number;
  /** Big-endian. */
  float64(): number;
  /** Text up to the next line feed, which is passed over. */
  line(): string;
}

/** Reads from a position; errors name the array. */
export function byteReader(bytes: Uint8Array, start: number, what: string): ByteReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = start;
  const advance = (length: number): number => {
    if (!(length >= 0 && length <= bytes.length - position))
      throw new Error(
        `${what} is truncated: it ends at byte ${bytes.length}, expected ${length} more at byte ${position}`,
      );
    position += length;
    return position - length;
  };
  return {
    position: () => position,
    take: (length) => {
      const at = advance(length);
      return bytes.subarray(at, at + length);
    },
    uint(size) {
      const at = advance(size);
      if (size === 1) return view.getUint8(at);
      if (size === 2) return view.getUint16(at, true);
      return size === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
    },
    int32: () => view.getInt32(advance(4), true),
    float64: () => view.getFloat64(advance(8), false),
    line() {
      const end = bytes.indexOf(0x0a, position);
      const at = advance(end < 0 ? Number.POSITIVE_INFINITY : end - position + 1);
      return new TextDecoder().decode(bytes.subarray(at, end));
    },
  };
}
