/** The tokens that may still be chosen, as parallel arrays that samplers narrow and reorder in place. */

/** Below so many candidates a comparison sort is as quick as counting digits. */
const FEW = 512;

/** Bits of a key that one pass of a radix sort looks at. */
const DIGIT_BITS = 11;

/** The tokens that may be chosen, with their logits; filters cut it down in place. */
export class Candidates {
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  readonly probs: Float32Array;
  length = 0;
  /** `id`: ids ascend; `logit`: the best come first, equal ones by id. */
  order: 'id' | 'logit' | 'none' = 'none';
  /** 0, 1, 2 ... */
  readonly #everyId: Int32Array;
  /** Room for sorting, made when it is first needed. */
  #scratch: SortRoom | undefined;

  constructor(nVocab: number) {
    this.ids = new Int32Array(nVocab);
    this.logits = new Float32Array(nVocab);
    this.probs = new Float32Array(nVocab);
    this.#everyId = Int32Array.from({ length: nVocab }, (_, id) => id);
  }

  /** Those tokens of a row that have a bit in `allowed`, and are not at -Infinity; tells whether there are any. */
  fillAllowed(row: Float32Array, allowed: Uint32Array): boolean {
    const { ids, logits } = this;
    let n = 0;
    for (let word = 0; word < allowed.length; word++) {
      for (let bits = allowed[word]!; bits !== 0; bits &= bits - 1) {
        const id = word * 32 + 31 - Math.clz32(bits & -bits);
        const logit = row[id]!;
        if (!(logit > Number.NEGATIVE_INFINITY)) continue;
        ids[n] = id;
        logits[n++] = logit;
      }
    }
    this.length = n;
    this.order = 'id';
    return n > 0;
  }

  /** All tokens of a row of logits; those at -Infinity are no candidates. Throws when a logit is not a number. */
  fill(row: Float32Array): void {
    const { ids, logits } = this;
    logits.set(row);
    ids.set(this.#everyId.subarray(0, row.length));
    let n = 0;
    while (n < row.length && row[n]! > Number.NEGATIVE_INFINITY) n++;
    for (let id = n; id < row.length; id++) {
      const logit = row[id]!;
      if (logit > Number.NEGATIVE_INFINITY) {
        ids[n] = id;
        logits[n++] = logit;
      } else if (Number.isNaN(logit)) throw new Error('the model produced logits that are not numbers');
    }
    if (n === 0) throw new Error('no token is left to choose from');
    this.length = n;
    this.order = 'id';
  }

  /** Where a token stands; undefined if it is no candidate. */
  indexOf(id: number): number | undefined {
    const { ids, length } = this;
    if (this.order !== 'id') {
      const at = ids.subarray(0, length).indexOf(id);
      return at < 0 ? undefined : at;
    }
    let [low, high] = [0, length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low < length && ids[low] === id ? low : undefined;
  }

  /** Says that logits were changed one by one, so that the best need not come first any more. */
  changed(): void {
    if (this.order === 'logit') this.order = 'none';
  }

  /** Sorts by logit, the largest first; equal ones by id. */
  sort(): void {
    if (this.order === 'logit') return;
    if (this.length <= FEW) this.#arrange(this.length);
    else this.#arrangeMany();
    this.order = 'logit';
  }

  /** Keeps the k with the largest logits, sorted, without sorting the others. */
  keepBest(k: number): void {
    if (k >= this.length) this.sort();
    else if (this.order === 'logit') this.length = k;
    else if (k > FEW) {
      this.sort();
      this.length = k;
    } else {
      this.#select(k);
      this.length = k;
      this.#arrange(k);
      this.order = 'logit';
    }
  }

  /** Keeps the first n in their present order. */
  truncate(n: number): void {
    this.length = n;
  }

  /** Keeps those for which `keep` is true, in their order. */
  filter(keep: (i: number) => boolean): void {
    let n = 0;
    for (let i = 0; i < this.length; i++) {
      if (!keep(i)) continue;
      this.ids[n] = this.ids[i]!;
      this.logits[n++] = this.logits[i]!;
    }
    this.length = n;
  }

  /** Puts the candidates with these indices first, in this order, and drops the others. */
  pick(indices: readonly number[]): void {
    const ids = indices.map((i) => this.ids[i]!);
    const logits = indices.map((i) => this.logits[i]!);
    this.ids.set(ids);
    this.logits.set(logits);
    this.length = indices.length;
    this.order = 'none';
  }

  /** The largest logit. */
  max(): number {
    const { logits, length } = this;
    if (this.order === 'logit') return logits[0]!;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < length; i++) if (logits[i]! > max) max = logits[i]!;
    return max;
  }

  /** Fills `probs` with the softmax of the logits left. */
  softmax(): void {
    const { logits, probs, length } = this;
    const max = this.max();
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const p = Math.exp(logits[i]! - max);
      probs[i] = p;
      sum += p;
    }
    for (let i = 0; i < length; i++) probs[i] = probs[i]! / sum;
  }

  /** Moves the k largest logits to the front: a heap of the k best seen so far, whose worst is on top. */
  #select(k: number): void {
    const { ids, logits, length } = this;
    const isWorse = (a: number, b: number): boolean =>
      logits[a]! < logits[b]! || (logits[a]! === logits[b]! && ids[a]! > ids[b]!);
    const swap = (a: number, b: number): void => {
      const [id, logit] = [ids[a]!, logits[a]!];
      ids[a] = ids[b]!;
      logits[a] = logits[b]!;
      ids[b] = id;
      logits[b] = logit;
    };
    const sink = (root: number): void => {
      for (let at = root; ; ) {
        const left = 2 * at + 1;
        if (left >= k) return;
        const child = left + 1 < k && isWorse(left + 1, left) ? left + 1 : left;
        if (!isWorse(child, at)) return;
        swap(child, at);
        at = child;
      }
    };
    for (let root = (k >> 1) - 1; root >= 0; root--) sink(root);
    let worst = logits[0]!;
    for (let i = k; i < length; i++) {
      if (logits[i]! < worst || !isWorse(0, i)) continue;
      swap(0, i);
      sink(0);
      worst = logits[0]!;
    }
  }

  /** Sorts the first n by comparing them. */
  #arrange(n: number): void {
    const { ids, logits } = this;
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    order.sort((a, b) => logits[b]! - logits[a]! || ids[a]! - ids[b]!);
    const sortedIds = Int32Array.from(order, (i) => ids[i]!);
    const sortedLogits = Float32Array.from(order, (i) => logits[i]!);
    ids.set(sortedIds);
    logits.set(sortedLogits);
  }

  /** Sorts all by counting the digits of their logits' bits, the lowest first; each pass keeps the order of equals. */
  #arrangeMany(): void {
    const { ids, logits, length } = this;
    this.#scratch ??= createSortRoom(ids.length);
    const { keys, otherKeys, otherIds, bits, words } = this.#scratch;
    for (let i = 0; i < length; i++) {
      bits[0] = logits[i]! + 0; // -0 is 0
      const word = words[0]!;
      // Integers that ascend as floats descend: bits of negative ones do, those of positive ones are turned over.
      keys[i] = word >>> 31 === 1 ? word : ~word & 0x7fff_ffff;
    }
    if (this.order !== 'id')
      radixSort({ keys: ids, values: keys, otherKeys: otherIds, otherValues: otherKeys }, length);
    radixSort({ keys, values: ids, otherKeys, otherValues: otherIds }, length);
    for (let i = 0; i < length; i++) {
      const key = keys[i]!;
      words[0] = key >>> 31 === 1 ? key : ~key & 0x7fff_ffff;
      logits[i] = bits[0]!;
    }
  }
}

interface SortRoom {
  readonly keys: Uint32Array;
  readonly otherKeys: Uint32Array;
  readonly otherIds: Int32Array;
  /** A float and the bits it is made of. */
  readonly bits: Float32Array;
  readonly words: Uint32Array;
}

const createSortRoom = (n: number): SortRoom => {
  const bits = new Float32Array(1);
  return {
    keys: new Uint32Array(n),
    otherKeys: new Uint32Array(n),
    otherIds: new Int32Array(n),
    bits,
    words: new Uint32Array(bits.buffer),
  };
};

type Words = Uint32Array | Int32Array;

/** Sorts the first n keys ascending, as unsigned numbers, and their values with them. */
const radixSort = (
  { keys, values, otherKeys, otherValues }: Record<'keys' | 'values' | 'otherKeys' | 'otherValues', Words>,
  n: number,
): void => {
  const counts = new Uint32Array(2 ** DIGIT_BITS);
  const mask = counts.length - 1;
  let [fromKeys, fromValues, toKeys, toValues] = [keys, values, otherKeys, otherValues];
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    counts.fill(0);
    for (let i = 0; i < n; i++) counts[(fromKeys[i]! >>> shift) & mask]!++;
    let start = 0;
    for (let digit = 0; digit < counts.length; digit++) {
      const count = counts[digit]!;
      counts[digit] = start;
      start += count;
    }
    for (let i = 0; i < n; i++) {
      const key = fromKeys[i]!;
      const at = counts[(key >>> shift) & mask]!++;
      toKeys[at] = key;
      toValues[at] = fromValues[i]!;
    }
    [fromKeys, fromValues, toKeys, toValues] = [toKeys, toValues, fromKeys, fromValues];
  }
  // Three passes end in the other arrays.
  keys.set(fromKeys.subarray(0, n));
  values.set(fromValues.subarray(0, n));
};
