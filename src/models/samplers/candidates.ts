/** The tokens that may still be chosen, as parallel arrays that samplers narrow and reorder in place. */

export class Candidates {
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  readonly probs: Float32Array;
  length = 0;
  /** Whether the best come first. */
  isSorted = false;
  #order: Uint32Array = new Uint32Array();

  constructor(nVocab: number) {
    this.ids = new Int32Array(nVocab);
    this.logits = new Float32Array(nVocab);
    this.probs = new Float32Array(nVocab);
  }

  /** All tokens of a row of logits; those at -Infinity are no candidates. Throws when a logit is not a number. */
  fill(logits: Float32Array): void {
    let n = 0;
    for (let id = 0; id < logits.length; id++) {
      const logit = logits[id]!;
      if (logit > Number.NEGATIVE_INFINITY) {
        this.ids[n] = id;
        this.logits[n++] = logit;
      } else if (Number.isNaN(logit)) throw new Error('the model produced logits that are not numbers');
    }
    if (n === 0) throw new Error('no token is left to choose from');
    this.length = n;
    this.isSorted = false;
  }

  /** Sorts by logit, the largest first; equal ones by id. */
  sort(): void {
    if (this.isSorted) return;
    this.#arrange(this.length);
    this.isSorted = true;
  }

  /** Keeps the k with the largest logits, sorted, without sorting the others. */
  keepBest(k: number): void {
    if (k >= this.length) this.sort();
    else if (this.isSorted) this.length = k;
    else {
      this.#select(k);
      this.length = k;
      this.#arrange(k);
      this.isSorted = true;
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
    this.isSorted = false;
  }

  /** The largest logit. */
  max(): number {
    if (this.isSorted) return this.logits[0]!;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.length; i++) if (this.logits[i]! > max) max = this.logits[i]!;
    return max;
  }

  /** Fills `probs` with the softmax of the logits left. */
  softmax(): void {
    const max = this.max();
    let sum = 0;
    for (let i = 0; i < this.length; i++) {
      const p = Math.exp(this.logits[i]! - max);
      this.probs[i] = p;
      sum += p;
    }
    for (let i = 0; i < this.length; i++) this.probs[i] = this.probs[i]! / sum;
  }

  /** Moves the k largest logits to the front: a heap of the k best seen so far, whose worst is on top. */
  #select(k: number): void {
    const { ids, logits } = this;
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
    for (let i = k; i < this.length; i++) {
      if (logits[i]! < logits[0]! || !isWorse(0, i)) continue;
      swap(0, i);
      sink(0);
    }
  }

  #arrange(n: number): void {
    const { ids, logits } = this;
    if (this.#order.length < n) this.#order = new Uint32Array(Math.max(n, 64));
    const order = this.#order.subarray(0, n);
    for (let i = 0; i < n; i++) order[i] = i;
    order.sort((a, b) => logits[b]! - logits[a]! || ids[a]! - ids[b]!);
    const sortedIds = Int32Array.from(order, (i) => ids[i]!);
    const sortedLogits = Float32Array.from(order, (i) => logits[i]!);
    ids.set(sortedIds);
    logits.set(sortedLogits);
  }
}
