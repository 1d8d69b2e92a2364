/** Samplers that sharpen or flatten what is left. */
import type { Candidates } from './candidates.ts';

/** Divides logits; 0 or less leaves only the likeliest. */
export const temperature = (c: Candidates, t: number): void => {
  if (t <= 0) {
    c.keepBest(1);
    return;
  }
  for (let i = 0; i < c.length; i++) c.logits[i] = c.logits[i]! / t;
};

/** A temperature from t - range to t + range by how uncertain the model is: entropy over its maximum, to a power. */
export const dynamicTemperature = (c: Candidates, t: number, range: number, exponent: number): void => {
  if (range <= 0) {
    temperature(c, t);
    return;
  }
  if (c.length <= 1) return;
  const least = Math.max(0, t - range);
  c.softmax();
  let entropy = 0;
  for (let i = 0; i < c.length; i++) if (c.probs[i]! > 0) entropy -= c.probs[i]! * Math.log(c.probs[i]!);
  const uncertainty = entropy / Math.log(c.length);
  temperature(c, least + (t + range - least) * uncertainty ** exponent);
};
