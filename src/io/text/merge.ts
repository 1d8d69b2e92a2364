/** The loop both kinds of tokenizer share: join the best pair of neighbours until no pair is worth joining. */

/** A pair that may be joined: the symbol at `left` and the next one, together `length` code units long. */
interface Candidate {
  readonly rank: number;
  readonly left: number;
  readonly length: number;
}

const isBefore = (a: Candidate, b: Candidate): boolean => a.rank < b.rank || (a.rank === b.rank && a.left < b.left);

/** A binary heap; the first candidate (`isBefore` all others) comes out first. */
const push = (heap: Candidate[], candidate: Candidate): void => {
  let i = heap.length;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!isBefore(candidate, heap[parent]!)) break;
    heap[i] = heap[parent]!;
    i = parent;
  }
  heap[i] = candidate;
};

const pop = (heap: Candidate[]): Candidate | undefined => {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return first;
  let i = 0;
  for (let child = 1; child < heap.length; child = 2 * i + 1) {
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[i] = heap[child]!;
    i = child;
  }
  heap[i] = last;
  return first;
};

/**
 * Joins neighbouring symbols, the pair of lowest rank first, of equal ranks the leftmost, until no pair has a rank.
 *
 * A linked list of symbols and a queue of pairs, as in llama.cpp's `llm_tokenizer_spm_session` and
 * `llm_tokenizer_bpe_session`: O(n log n) for n symbols. Stale pairs stay in the queue and are known by their length:
 * whatever happened to either half since has made the pair at that place longer, or emptied it.
 *
 * @param rank of the pair (left, right), or undefined where the two must not be joined
 */
export const mergeSymbols = (
  symbols: readonly string[],
  rank: (left: string, right: string) => number | undefined,
): string[] => {
  const texts = [...symbols];
  const end = texts.length;
  const previous = Int32Array.from(texts, (_, i) => i - 1);
  const next = Int32Array.from(texts, (_, i) => i + 1);
  const heap: Candidate[] = [];

  const consider = (left: number): void => {
    if (left < 0 || next[left]! >= end) return;
    const a = texts[left]!;
    const b = texts[next[left]!]!;
    const pairRank = rank(a, b);
    if (pairRank !== undefined) push(heap, { rank: pairRank, left, length: a.length + b.length });
  };

  for (let i = 0; i + 1 < end; i++) consider(i);
  for (let best = pop(heap); best; best = pop(heap)) {
    const { left, length } = best;
    const right = next[left]!;
    const a = texts[left]!;
    if (a === '' || right >= end || a.length + texts[right]!.length !== length) continue;
    texts[left] = a + texts[right]!;
    texts[right] = '';
    next[left] = next[right]!;
    if (next[left]! < end) previous[next[left]!] = left;
    consider(previous[left]!);
    consider(left);
  }
  return texts.filter((text) => text !== '');
};
