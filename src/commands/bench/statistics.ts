/** What repeated measurements say: their middle, their spread, and whether two sets of them differ. */
import { gammaln, mean, quantile, sampleStandardDeviation, sampleVariance } from 'simple-statistics';

export interface Spread {
  readonly mean: number;
  /** Of the sample (n - 1); 0 for a single value. */
  readonly stddev: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Of at least one value. */
export const spreadOf = (values: readonly number[]): Spread => {
  const all = [...values];
  return {
    mean: mean(all),
    stddev: all.length > 1 ? sampleStandardDeviation(all) : 0,
    p50: quantile(all, 0.5),
    p95: quantile(all, 0.95),
    p99: quantile(all, 0.99),
  };
};

/** A standard deviation above this share of the mean says that something else went on. */
const UNSTEADY = 0.05;

/** Whether times vary too much to be trusted. */
export const isUnsteady = ({ mean, stddev }: Pick<Spread, 'mean' | 'stddev'>): boolean => stddev > UNSTEADY * mean;

/**
 * How likely means as far apart as these are if nothing has changed: Welch's test of unequal variances, two-sided
 * (B. L. Welch, The generalization of "Student's" problem when several different population variances are involved,
 * 1947). Undefined where either side has a single value.
 */
export const welchTest = (a: readonly number[], b: readonly number[]): number | undefined => {
  if (a.length < 2 || b.length < 2) return undefined;
  const [va, vb] = [sampleVariance([...a]) / a.length, sampleVariance([...b]) / b.length];
  const difference = mean([...a]) - mean([...b]);
  if (va + vb === 0) return difference === 0 ? 1 : 0;
  const t2 = difference ** 2 / (va + vb);
  const freedom = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1));
  // Student's t has two tails of I_x(ν/2, 1/2) together, x = ν / (ν + t²).
  return regularisedBeta(freedom / (freedom + t2), freedom / 2, 0.5);
};

const CLOSE_ENOUGH = 1e-14;
const MOST_TERMS = 1000;

/** The regularised incomplete beta function I_x(a, b), by the continued fraction of DLMF 8.17.22. */
const regularisedBeta = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges quickly on this side only (DLMF 8.17.4 turns it over).
  if (x > (a + 1) / (a + b + 2)) return 1 - regularisedBeta(1 - x, b, a);
  const front = Math.exp(gammaln(a + b) - gammaln(a) - gammaln(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const term = (n: number): number => {
    const m = Math.floor(n / 2);
    return n % 2 === 0
      ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
      : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
  };
  // Lentz's way from the front (Thompson and Barnett, Coulomb and Bessel functions of complex arguments, 1986).
  let [c, d] = [1, 0];
  let value = 1;
  for (let n = 1; n <= MOST_TERMS; n++) {
    d = 1 / (1 + term(n) * d);
    c = 1 + term(n) / c;
    value *= c * d;
    if (Math.abs(c * d - 1) < CLOSE_ENOUGH) break;
  }
  return front / value;
};
