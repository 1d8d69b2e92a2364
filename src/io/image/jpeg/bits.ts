/** Bytes between markers, as bits (T.81, annex F.2.2.5). */
import { JpegError } from './error.ts';

/** The first byte of a marker. Among coded data a 0 after it says that it is none. */
const MARKER = 0xff;

/** Where the second byte of the next marker is, from `at` on; -1 where no more comes. Bytes before it are passed over. */
export const nextMarker = (bytes: Uint8Array, at: number): number => {
  for (let i = bytes.indexOf(MARKER, at); i >= 0; i = bytes.indexOf(MARKER, i + 1)) {
    const code = bytes[i + 1];
    if (code !== undefined && code !== 0 && code !== MARKER) return i + 1;
  }
  return -1;
};

/** Reads coded data up to the next marker. Zeros follow it, as many as are asked for; `check` tells. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  /** The next `#count` bits, left-aligned. */
  #bits = 0;
  #count = 0;
  /** Of all that was put into `#bits`, the zeros that stand in no file. */
  #invented = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where the bytes are that were not looked at, all before the next marker. */
  get position(): number {
    return this.#at;
  }

  /** The next `n` bits, 1 to 16. */
  take(n: number): number {
    if (this.#count < n) this.#fill();
    const value = this.#bits >>> (32 - n);
    this.#bits <<= n;
    this.#count -= n;
    return value;
  }

  /** A number of `n` bits, 1 to 15; those that begin with 0 stand for negative ones (T.81, table F.1). */
  signed(n: number): number {
    const value = this.take(n);
    return value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  /** The next symbol. @param table of huffman.ts */
  symbol(table: Uint16Array): number {
    if (this.#count < 16) this.#fill();
    const entry = table[this.#bits >>> 16]!;
    const length = entry >> 8;
    if (length === 0) throw new JpegError('bits that are no Huffman code');
    this.#bits <<= length;
    this.#count -= length;
    return entry & 0xff;
  }

  /** @throws JpegError where more was read than there is */
  check(): void {
    if (this.#count < this.#invented) throw new JpegError('they end too early');
  }

  /** Goes on behind the restart marker that comes next. Its number is not looked at. */
  restart(): void {
    this.check();
    const marker = nextMarker(this.#bytes, this.#at);
    if (marker < 0 || (this.#bytes[marker]! & 0xf8) !== 0xd0) throw new JpegError('a restart marker is missing');
    this.#at = marker + 1;
    this.#bits = 0;
    this.#count = 0;
    this.#invented = 0;
  }

  #fill(): void {
    while (this.#count <= 24) {
      const byte = this.#nextByte();
      this.#bits |= byte << (24 - this.#count);
      this.#count += 8;
    }
  }

  #nextByte(): number {
    if (this.#at < this.#bytes.length) {
      const byte = this.#bytes[this.#at]!;
      if (byte !== MARKER) {
        this.#at++;
        return byte;
      }
      if (this.#bytes[this.#at + 1] === 0) {
        this.#at += 2;
        return byte;
      }
    }
    this.#invented += 8;
    return 0;
  }
}
