/** A position in a file of the old ggml format, which is read from its beginning to its end; all numbers little-endian. */
import type { UserError } from '../../errors.ts';
import { damagedFile, type OpenFile } from '../gguf/file.ts';

/** Bytes read ahead: a tensor's header is some fifty bytes between megabytes of data. */
const WINDOW = 16_384;

/** Reads the numbers and texts of an old ggml file one after another. */
export class GgmlCursor {
  readonly file: OpenFile;
  /** From the beginning of the file. */
  at = 0;
  #window: Uint8Array = new Uint8Array();
  #windowAt = 0;

  constructor(file: OpenFile) {
    this.file = file;
  }

  get isAtEnd(): boolean {
    return this.at === this.file.size;
  }

  /** Steps over `length` bytes and returns where they begin. */
  skip(length: number, what: string): number {
    const start = this.at;
    if (start + length > this.file.size) {
      throw this.damaged(`${what} (${length} bytes at ${start}) goes beyond the end of the file at ${this.file.size}`);
    }
    this.at += length;
    return start;
  }

  async bytes(length: number, what: string): Promise<Uint8Array> {
    const start = this.skip(length, what);
    if (start < this.#windowAt || this.at > this.#windowAt + this.#window.length) {
      const ahead = Math.min(Math.max(length, WINDOW), this.file.size - start);
      this.#window = await this.file.read(start, ahead);
      this.#windowAt = start;
    }
    return this.#window.slice(start - this.#windowAt, this.at - this.#windowAt);
  }

  async i32(what: string): Promise<number> {
    const [value = 0] = await this.i32s(1, what);
    return value;
  }

  async i32s(n: number, what: string): Promise<Int32Array> {
    return new Int32Array((await this.bytes(4 * n, what)).buffer);
  }

  async f32s(n: number, what: string): Promise<Float32Array> {
    return new Float32Array((await this.bytes(4 * n, what)).buffer);
  }

  /** A length or a count: `least` to `most`. */
  async count(what: string, least: number, most: number): Promise<number> {
    const n = await this.i32(what);
    if (n < least || n > most) throw this.damaged(`${what} is ${n}, expected ${least} to ${most}`);
    return n;
  }

  damaged(what: string): UserError {
    return damagedFile(this.file.path, what);
  }
}
