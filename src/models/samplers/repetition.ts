/** Samplers that make repetition less likely. `history` holds accepted tokens, the oldest first. */
import type { Candidates } from './candidates.ts';

export interface Penalties {
  /** How many of the latest tokens count; 0: none. */
  readonly lastN: number;
  /** Logits of seen tokens are divided by this if positive, multiplied if not (Keskar et al. 2019). */
  readonly repeat: number;
  /** Subtracted for every time a token was seen. */
  readonly frequency: number;
  /** Subtracted once if a token was seen. */
  readonly presence: number;
}

/** Makes less likely what was written lately: repetition (Keskar et al. 2019), frequency and presence. */
export const penalties = (c: Candidates, history: readonly number[], p: Penalties): void => {
  if (p.lastN <= 0 || (p.repeat === 1 && p.frequency === 0 && p.presence === 0)) return;
  const counts = new Map<number, number>();
  for (const id of history.slice(-p.lastN)) counts.set(id, (counts.get(id) ?? 0) + 1);
  if (counts.size === 0) return;
  for (const [id, count] of counts) {
    const i = c.indexOf(id);
    if (i === undefined) continue;
    const logit = c.logits[i]!;
    c.logits[i] = (logit > 0 ? logit / p.repeat : logit * p.repeat) - count * p.frequency - p.presence;
  }
  c.changed();
};

export interface Dry {
  /** 0: off. */
  readonly multiplier: number;
  readonly base: number;
  /** Repetitions up to this length are free. */
  readonly allowedLength: number;
  /** How many of the latest tokens count. */
  readonly lastN: number;
  /** Token sequences over which no repetition goes on. */
  readonly breakers: readonly (readonly number[])[];
}

/** The exponent at which a penalty would leave float32's range. */
const maxExponent = (base: number): number =>
  base > 1.000001 ? Math.floor(Math.log(3.4028234663852886e38) / Math.log(base)) : Number.POSITIVE_INFINITY;

/**
 * "Don't repeat yourself": a token that would prolong a repetition of n tokens loses multiplier * base^(n - allowed),
 * n being the longest run that ends the history and occurs before the token elsewhere in it.
 */
export const dry = (c: Candidates, history: readonly number[], d: Dry): void => {
  if (d.multiplier === 0 || d.base < 1 || d.lastN === 0) return;
  const recent = history.slice(-d.lastN);
  const limit = reachOfBreakers(recent, d.breakers);
  if (limit < d.allowedLength) return;
  const longest = new Map<number, number>();
  for (let end = recent.length - 2; end >= 0; end--) {
    let n = 0;
    while (n <= end && n < limit && recent[end - n] === recent[recent.length - 1 - n]) n++;
    if (n < d.allowedLength) continue;
    const next = recent[end + 1]!;
    longest.set(next, Math.max(n, longest.get(next) ?? 0));
  }
  if (longest.size === 0) return;
  for (const [id, n] of longest) {
    const i = c.indexOf(id);
    if (i === undefined) continue;
    const exponent = Math.min(n - d.allowedLength, maxExponent(d.base));
    c.logits[i] = c.logits[i]! - d.multiplier * d.base ** exponent;
  }
  c.changed();
};

/** How far back from the end of the history a repetition may reach before a breaker begins. */
const reachOfBreakers = (recent: readonly number[], breakers: Dry['breakers']): number => {
  let reach = recent.length;
  for (const breaker of breakers) {
    for (let at = recent.length - breaker.length; at >= 0; at--) {
      if (breaker.every((id, i) => recent[at + i] === id)) {
        reach = Math.min(reach, recent.length - at - breaker.length);
        break;
      }
    }
  }
  return reach;
};
