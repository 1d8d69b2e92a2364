/** Samplers that drop candidates. Where there is a `minKeep`, at least so many are kept. */
import type { Candidates } from './candidates.ts';
import type { Random } from './random.ts';

/** Keeps the k likeliest (Fan et al. 2018); 0 or less keeps all. */
export const topK = (c: Candidates, k: number): void => {
  if (k <= 0) c.sort();
  else c.keepBest(k);
};

/** Keeps the likeliest whose probabilities reach p together (Holtzman et al. 2019). */
export const topP = (c: Candidates, p: number, minKeep = 1): void => {
  if (p >= 1) return;
  c.sort();
  c.softmax();
  let sum = 0;
  for (let i = 0; i < c.length; i++) {
    sum += c.probs[i]!;
    if (sum >= p && i + 1 >= minKeep) {
      c.truncate(i + 1);
      return;
    }
  }
};

/** Keeps those at least p times as likely as the likeliest (Nguyen et al. 2024). */
export const minP = (c: Candidates, p: number, minKeep = 1): void => {
  if (p <= 0 || c.length === 0) return;
  c.sort();
  const least = Math.fround(c.logits[0]! + Math.fround(Math.log(p)));
  let n = 1;
  while (n < c.length && (c.logits[n]! >= least || n < minKeep)) n++;
  c.truncate(n);
};

/** Keeps those whose surprise is nearest to the expected one, until they reach p together (Meister et al. 2022). */
export const typical = (c: Candidates, p: number, minKeep = 1): void => {
  if (p >= 1) return;
  c.sort();
  c.softmax();
  let entropy = 0;
  for (let i = 0; i < c.length; i++) if (c.probs[i]! > 0) entropy -= c.probs[i]! * Math.log(c.probs[i]!);
  // Surprise grows along the candidates: the nearest ones lie on both sides of where it passes the entropy.
  const away = (i: number): number => Math.abs(-Math.log(c.probs[i]!) - entropy);
  let right = 0;
  while (right < c.length && -Math.log(c.probs[right]!) < entropy) right++;
  let left = right - 1;
  const kept: number[] = [];
  for (let sum = 0; kept.length < c.length && (sum <= p || kept.length < Math.max(1, minKeep)); ) {
    const i = right >= c.length || (left >= 0 && away(left) <= away(right)) ? left-- : right++;
    sum += c.probs[i]!;
    kept.push(i);
  }
  c.pick(kept);
};

/** Keeps logits within n standard deviations of the largest (Tang et al. 2024); 0 or less keeps all. */
export const topNSigma = (c: Candidates, n: number): void => {
  if (n <= 0 || c.length <= 1) return;
  let sum = 0;
  for (let i = 0; i < c.length; i++) sum += c.logits[i]!;
  const mean = sum / c.length;
  let squares = 0;
  for (let i = 0; i < c.length; i++) squares += (c.logits[i]! - mean) ** 2;
  const least = c.max() - n * Math.sqrt(squares / c.length);
  c.filter((i) => c.logits[i]! >= least);
};

/** "Exclude top choices": with a probability, drops all but the least likely of those above a threshold. */
export const xtc = (c: Candidates, probability: number, threshold: number, random: Random, minKeep = 1): void => {
  if (probability <= 0 || threshold > 0.5 || c.length < 2) return;
  if (random.next() > probability) return;
  c.sort();
  c.softmax();
  let above = 0;
  while (above < c.length && c.probs[above]! >= threshold) above++;
  const drop = above - 1;
  if (drop > 0 && c.length - drop >= minKeep) c.filter((i) => i >= drop);
};
