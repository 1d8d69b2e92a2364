/** The search for what was said in a window: greedy, by drawing, or along several beams that go through the model together. */
import type { Random } from '../samplers/random.ts';
import type { Bounds, Sequence, Token } from './sequence.ts';
import { emptySequence, extended } from './sequence.ts';
import type { SpecialTokens } from './special-tokens.ts';
import type { Choice, Rules } from './token-rules.ts';

/**
 * Feeds tokens of several sequences, the first of each at position `pos`; gives the logits after each one's last.
 * Sequence s goes on from sequence `parents[s]` of the call before.
 */
export type SpeechStep = (
  tokens: readonly (readonly number[])[],
  pos: number,
  parents: readonly number[],
) => Promise<readonly Float32Array[]>;

export type Strategy =
  | { readonly kind: 'greedy' }
  /** Each of the sequences draws with randomness of its own. */
  | { readonly kind: 'draw'; readonly temperature: number; readonly random: readonly Random[] }
  | Beams;

/** Several sequences followed at once. */
export interface Beams {
  readonly kind: 'beam';
  readonly width: number;
  /**
   * The search ends with `width` times as many sequences, and goes on at full width until then (openai/whisper). If
   * absent, each sequence that ends leaves one beam fewer (whisper.cpp).
   */
  readonly patience?: number;
}

export interface SearchOptions {
  readonly special: SpecialTokens;
  readonly rules: Rules;
  readonly bounds: Bounds;
  readonly strategy: Strategy;
  /** Looked at before every step; it throws to stop. */
  check(): void;
}

/** A sequence that goes on: what may come next, and which sequence of the last step it was. */
interface Open {
  readonly sequence: Sequence;
  readonly logits: Float32Array;
  readonly row: number;
}

/** A sequence with its next token, and which sequence of the last step it goes on from. */
interface Extended {
  readonly sequence: Sequence;
  readonly row: number;
}

/** Searches on from a prompt of `nPrompt` tokens that has been fed and gave these logits. Gives all sequences found. */
export const search = async (
  step: SpeechStep,
  logits: Float32Array,
  nPrompt: number,
  o: SearchOptions,
): Promise<readonly Sequence[]> => {
  const found: Sequence[] = [];
  let open = firstSequences(logits, o.strategy);
  for (let n = 0; open.length > 0; n++) {
    const candidates = open.flatMap((one, s) => continuations(one, s, o));
    const { ended, going } = keptOf(candidates, found.length, o.strategy);
    found.push(...ended.map(({ sequence }) => sequence));
    if (n + 1 >= o.bounds.maxTokens) return [...found, ...going.map(({ sequence }) => sequence)];
    if (going.length === 0) return found;
    o.check();
    const rows = await step(
      going.map(({ sequence }) => [sequence.tokens.at(-1)?.id ?? 0]),
      nPrompt + n,
      going.map(({ row }) => row),
    );
    open = going.map(({ sequence }, row) => ({ sequence, row, logits: rows[row]! }));
  }
  return found;
};

/** All sequences begin alike; beams part at the first token, those that draw each draw it. */
const firstSequences = (logits: Float32Array, strategy: Strategy): Open[] =>
  Array.from({ length: strategy.kind === 'draw' ? strategy.random.length : 1 }, (_, i) => ({
    sequence: emptySequence,
    logits: i === 0 ? logits : logits.slice(),
    row: 0,
  }));

const continuations = ({ sequence, logits, row }: Open, s: number, o: SearchOptions): Extended[] => {
  const { strategy } = o;
  const choice = o.rules(logits, sequence, strategy.kind === 'draw' ? strategy.temperature : 0);
  return idsOf(choice, s, strategy).map((id) => ({
    sequence: extended(sequence, tokenOf(id, choice, o.special), o.special, o.bounds),
    row,
  }));
};

const idsOf = ({ logProbs }: Choice, s: number, strategy: Strategy): number[] => {
  switch (strategy.kind) {
    case 'greedy':
      return largest(logProbs, 1);
    case 'draw':
      return [drawn(logProbs, strategy.random[s]!)];
    case 'beam':
      // One more than there are beams, with patience: one of them may end here.
      return largest(logProbs, strategy.patience === undefined ? strategy.width : strategy.width + 1);
  }
};

const tokenOf = (id: number, { logProbs, timestamp }: Choice, t: SpecialTokens): Token => {
  const logProb = logProbs[id]!;
  const p = Math.exp(logProb);
  return { id, p, logProb, timestamp: id >= t.firstTimestamp ? { ...timestamp, id, p } : timestamp };
};

interface Kept {
  readonly ended: readonly Extended[];
  readonly going: readonly Extended[];
}

/** Which of the candidates end the search's sequences, and which it follows on, where `nFound` have ended before. */
const keptOf = (candidates: readonly Extended[], nFound: number, strategy: Strategy): Kept => {
  const parted = (kept: readonly Extended[]): Kept => ({
    ended: kept.filter(({ sequence }) => sequence.state !== 'open'),
    going: kept.filter(({ sequence }) => sequence.state === 'open'),
  });
  if (strategy.kind !== 'beam') return parted(candidates);
  const { width, patience } = strategy;
  if (patience === undefined) return parted(best(candidates, width - nFound));
  const { ended, going } = parted(untilOpen(best(candidates, candidates.length), width));
  const wanted = Math.max(1, Math.round(width * patience)) - nFound;
  return { ended: ended.slice(0, wanted), going: ended.length < wanted ? going : [] };
};

/** The first candidates, up to the one that is the nth that goes on. */
const untilOpen = (ranked: readonly Extended[], n: number): readonly Extended[] => {
  let left = n;
  const end = ranked.findIndex(({ sequence }) => sequence.state === 'open' && --left === 0);
  return end < 0 ? ranked : ranked.slice(0, end + 1);
};

/** The likeliest sequences, the likeliest first; of equals the one found first. */
const best = (candidates: readonly Extended[], n: number): Extended[] =>
  [...candidates].sort((a, b) => b.sequence.sumLogProb - a.sequence.sumLogProb).slice(0, n);

/** Indices of the n largest values that are not -Infinity, the largest first. */
const largest = (x: Float32Array, n: number): number[] => {
  const found: number[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value <= least) continue;
    let at = found.length;
    while (at > 0 && x[found[at - 1]!]! < value) at--;
    found.splice(at, 0, i);
    if (found.length > n) found.pop();
    if (found.length === n) least = x[found[n - 1]!]!;
  }
  return found;
};

/** An index drawn by probability; what the rules have ruled out is not drawn. */
const drawn = (logProbs: Float32Array, random: Random): number => {
  let total = 0;
  for (let i = 0; i < logProbs.length; i++) total += Math.exp(logProbs[i]!);
  let left = random.next() * total;
  let last = 0;
  for (let i = 0; i < logProbs.length; i++) {
    const p = Math.exp(logProbs[i]!);
    if (p === 0) continue;
    last = i;
    left -= p;
    if (left < 0) break;
  }
  return last;
};
