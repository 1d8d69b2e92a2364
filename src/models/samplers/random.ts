/** Random numbers that are the same on every machine. */
import { randomInt } from 'node:crypto';

export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
}

/** xoshiro128** (Blackman & Vigna 2018), its state filled by splitmix32. */
export const createRandom = (seed: number): Random => {
  let mix = seed >>> 0;
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  return {
    next() {
      const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = rotl(d, 11);
      return result / 2 ** 32;
    },
  };
};

/** A seed that nobody knows, u32. */
export const randomSeed = (): number => randomInt(2 ** 32);
