/** Takes bytes from a stream in the portions a format asks for. */
import type { Bytes } from './sound.ts';

/** Reads a stream of bytes in pieces of the lengths that are asked for. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: Bytes) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next n bytes, fewer where the stream ends. */
  async take(n: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let missing = n;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) break;
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Passes over n bytes. */
  async skip(n: number): Promise<void> {
    let missing = n;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) return;
      const passed = Math.min(missing, this.#rest.length);
      this.#rest = this.#rest.subarray(passed);
      missing -= passed;
    }
  }

  /** All that is left, as it comes. */
  async *remaining(): AsyncGenerator<Uint8Array> {
    while (this.#rest.length > 0 || (await this.#more())) {
      const part = this.#rest;
      this.#rest = new Uint8Array(0);
      yield part;
    }
  }

  /** Lets go of the stream before its end. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done) return false;
    this.#rest = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return true;
  }
}
