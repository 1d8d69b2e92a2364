/** Hyperparameters: a file's metadata read by name and checked, each key below the architecture's prefix. */
import { UserError } from '../errors.ts';
import type { MetadataValue } from './weights.ts';

/** Far beyond any model; each layer has tensors, and a file holds less than this many. */
const MAX_LAYERS = 10_000;

/** Reads a header's keys below its architecture. Every reader throws a UserError 'model' that names the key. */
export class Hparams {
  readonly #metadata: ReadonlyMap<string, MetadataValue>;
  readonly #arch: string;

  /** @param arch the prefix of the architecture's keys, such as 'llama' */
  constructor(metadata: ReadonlyMap<string, MetadataValue>, arch: string) {
    this.#metadata = metadata;
    this.#arch = arch;
  }

  /** A positive whole number. */
  int(key: string, fallback?: number): number {
    const value = this.num(key, fallback);
    if (!Number.isSafeInteger(value) || value < 1) throw this.#wrong(key, 'a positive whole number');
    return value;
  }

  /** A whole number that may be 0. */
  count(key: string, fallback?: number): number {
    const value = this.num(key, fallback);
    if (!Number.isSafeInteger(value) || value < 0) throw this.#wrong(key, 'a whole number');
    return value;
  }

  num(key: string, fallback?: number): number {
    const value = this.#get(key) ?? fallback;
    const n = typeof value === 'bigint' ? Number(value) : value;
    if (typeof n !== 'number' || !Number.isFinite(n)) throw this.#wrong(key, 'a number');
    return n;
  }

  string(key: string, fallback?: string): string {
    const value = this.#get(key) ?? fallback;
    if (typeof value !== 'string') throw this.#wrong(key, 'a text');
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#get(key) ?? fallback;
    if (typeof value !== 'boolean') throw this.#wrong(key, 'true or false');
    return value;
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** One number for all layers, or a list with one for each: `n` of them either way. */
  perLayer(key: string, n: number, fallback?: number): readonly number[] {
    const value = this.#get(key);
    if (!Array.isArray(value)) return new Array<number>(n).fill(this.int(key, fallback));
    const list = value.map(Number);
    if (list.length < n || !list.every((x) => Number.isSafeInteger(x) && x > 0))
      throw this.#wrong(key, `${n} positive whole numbers`);
    return list.slice(0, n);
  }

  /** Layers of the model itself: files may count layers that predict further tokens among their blocks. */
  layerCount(): number {
    const [nBlock, nNext] = [this.int('block_count'), this.count('nextn_predict_layers', 0)];
    if (nBlock > MAX_LAYERS || nNext >= nBlock) throw this.#wrong('block_count', `${nNext + 1} to ${MAX_LAYERS}`);
    return nBlock - nNext;
  }

  /** The number of tokens in the vocabulary. */
  vocabSize(): number {
    const tokens = this.#metadata.get('tokenizer.ggml.tokens');
    if (Array.isArray(tokens)) return tokens.length;
    return this.int('vocab_size');
  }

  #get(key: string): MetadataValue | undefined {
    return this.#metadata.get(`${this.#arch}.${key}`);
  }

  #wrong(key: string, expected: string): UserError {
    const value = this.#get(key);
    const came = value === undefined ? 'is missing' : `is ${shown(value).slice(0, 40)}`;
    return new UserError('model', `metadata '${this.#arch}.${key}' ${came}, expected ${expected}`);
  }
}

/** As JSON, which has neither 64 bits nor NaN. */
const shown = (value: MetadataValue): string => {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  return Array.isArray(value) ? `[${value.map(shown).join(',')}]` : JSON.stringify(value);
};
