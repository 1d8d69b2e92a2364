/** What a session keeps between runs, collected while a graph is lowered. */
import type { Dim, Sizes, TensorType } from '../tensor.ts';
import type { Computed, NamedType, Value } from './emitter.ts';

/** A value kept between runs. `next` is all of it, written in place, or only this run's rows. */
export interface CacheState extends NamedType {
  readonly next: NamedType;
  readonly write: 'in-place' | 'rows';
}

/** How a session keeps a cache: which input says where rows go, and what it must tell the fused kernel. */
export interface CacheSpec {
  /** The input `[B, T]` with every token's position. */
  readonly positions: string;
  /** Extra inputs of the fused kernel: each sequence's last position, i32 `[B]`; the keys in view, i32 scalar. */
  readonly fused?: { readonly last: string; readonly nKv: string };
  readonly states: readonly CacheState[];
}

interface Kept {
  readonly state: Computed;
  readonly type: TensorType;
  readonly next: Computed;
  readonly nextType: TensorType;
  readonly write: CacheState['write'];
}

const FUSED = { last: 'cache.last_position', nKv: 'cache.n_kv' };

/** How the states of a graph are kept between runs, and what the runs need to find their rows. */
export class CachePlan {
  readonly #input: (name: string, type: TensorType) => Computed;
  readonly #kept: Kept[] = [];
  #positions: Computed | undefined;
  #fused: readonly [last: Computed, nKv: Computed] | undefined;
  #spareRows = 0;

  /** @param input declares an input of the program */
  constructor(input: (name: string, type: TensorType) => Computed) {
    this.#input = input;
  }

  /** The session must write `rows` into `state` at their positions. */
  keepRows(state: Value, type: TensorType, rows: Value, rowsType: TensorType, pos: Value): void {
    this.#keep({ state: plain(state), type, next: plain(rows), nextType: rowsType, write: 'rows' }, pos);
  }

  /** The kernel writes into the buffer of `state`; `next` is the same memory afterwards. */
  keepInPlace(state: Value, type: TensorType, next: Value, pos: Value): void {
    this.#keep({ state: plain(state), type, next: plain(next), nextType: type, write: 'in-place' }, pos);
  }

  /** Each sequence's last position, i32 `[B]`, and the number of keys in view, i32 scalar: the session fills them in. */
  lastPositions(batch: Dim): readonly [last: Computed, nKv: Computed] {
    this.#fused ??= [
      this.#input(FUSED.last, { dtype: 'i32', shape: [batch] }),
      this.#input(FUSED.nKv, { dtype: 'i32', shape: [] }),
    ];
    return this.#fused;
  }

  /** Asks for rows behind the last position, which a kernel may write and nobody reads. */
  spareRows(n: number): void {
    this.#spareRows = Math.max(this.#spareRows, n);
  }

  /** The sizes with room for the spare rows. */
  roomIn(sizes: Sizes): Sizes {
    return sizes.nCtx === undefined ? sizes : { ...sizes, nCtx: sizes.nCtx + this.#spareRows };
  }

  /** The plan of the finished graph; undefined when nothing is kept. */
  spec(): CacheSpec | undefined {
    if (!this.#positions) return undefined;
    const states = this.#kept.map(({ state, type, next, nextType, write }) => ({
      ...namedType(state, type),
      next: namedType(next, nextType),
      write,
    }));
    return { positions: this.#positions.name, ...(this.#fused && { fused: FUSED }), states };
  }

  #keep(kept: Kept, pos: Value): void {
    this.#positions ??= plain(pos);
    if (this.#positions !== pos) throw new Error(`the cache is written at two positions, '${plain(pos).name}' is one`);
    this.#kept.push(kept);
  }
}

const namedType = ({ name }: Computed, { dtype, shape }: TensorType): NamedType => ({ name, dtype, shape });

const plain = (value: Value): Computed => {
  if (value.kind === 'computed') return value;
  throw new Error(`weight '${value.ref.name}' cannot be kept`);
};
