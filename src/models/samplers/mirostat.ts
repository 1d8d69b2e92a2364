/** Mirostat (Basu et al. 2020): keeps the surprise of chosen tokens near a target by moving a bound, mu. */
import type { Candidates } from './candidates.ts';

export interface Mirostat {
  /** Drops candidates that would surprise too much; the logits left are to be drawn from. */
  narrow(c: Candidates): void;
  /** Learns from the chosen candidate's probability among those left. */
  learn(probability: number): void;
}

export interface MirostatOptions {
  /** The target surprise, in bits. */
  readonly tau: number;
  readonly eta: number;
}

const learner = ({ tau, eta }: MirostatOptions) => {
  let mu = 2 * tau;
  return {
    get mu() {
      return mu;
    },
    learn(probability: number) {
      mu -= eta * (-Math.log2(probability) - tau);
    },
  };
};

/** How many of the likeliest tokens version 1 fits Zipf's exponent to. */
const ZIPF_TOKENS = 100;

/** Version 1 turns mu into a number of candidates, supposing that probabilities follow Zipf's law. */
export const mirostat1 = (options: MirostatOptions, nVocab: number): Mirostat => {
  const state = learner(options);
  return {
    narrow(c) {
      c.sort();
      c.softmax();
      let [products, squares] = [0, 0];
      for (let i = 0; i < Math.min(ZIPF_TOKENS, c.length) - 1; i++) {
        const t = Math.log((i + 2) / (i + 1));
        products += t * Math.log(c.probs[i]! / c.probs[i + 1]!);
        squares += t * t;
      }
      const s = products / squares;
      const epsilon = s - 1;
      const k = ((epsilon * 2 ** state.mu) / (1 - nVocab ** -epsilon)) ** (1 / s);
      c.keepBest(Math.max(1, Math.min(c.length, Math.trunc(k) || 1)));
    },
    learn: state.learn,
  };
};

/** Version 2 drops every candidate whose surprise is above mu. */
export const mirostat2 = (options: MirostatOptions): Mirostat => {
  const state = learner(options);
  return {
    narrow(c) {
      c.sort();
      c.softmax();
      let n = 0;
      while (n < c.length && -Math.log2(c.probs[n]!) <= state.mu) n++;
      c.truncate(Math.max(1, n));
    },
    learn: state.learn,
  };
};
