/** What K-quants share: superblocks of 256 values, and the eight pairs of six bits of Q4_K and Q5_K. */

/** Values in a block of a K-quant. */
export const SUPERBLOCK = 256;

/**
 * Eight scales and eight minima of six bits in the 12 bytes at `at` (`get_scale_min_k4` of ggml-quants.c): the first
 * four of each lie in the low bits of bytes 0-3 and 4-7; the others have their low nibbles in bytes 8-11 and their
 * high bits on top of the first.
 */
export const readPairs = (bytes: Uint8Array, at: number, scales: Uint8Array, minima: Uint8Array): void => {
  for (let k = 0; k < 4; k++) {
    const [low, high, both] = [bytes[at + k]!, bytes[at + 4 + k]!, bytes[at + 8 + k]!];
    scales[k] = low & 63;
    minima[k] = high & 63;
    scales[4 + k] = (both & 15) | ((low >> 6) << 4);
    minima[4 + k] = (both >> 4) | ((high >> 6) << 4);
  }
};

/** Eight scales and eight minima of six bits, in twelve bytes (`get_scale_min_k4` of ggml-quants.c). */
export const writePairs = (bytes: Uint8Array, at: number, scales: Uint8Array, minima: Uint8Array): void => {
  for (let k = 0; k < 4; k++) {
    bytes[at + k] = scales[k]! | ((scales[4 + k]! >> 4) << 6);
    bytes[at + 4 + k] = minima[k]! | ((minima[4 + k]! >> 4) << 6);
    bytes[at + 8 + k] = (scales[4 + k]! & 15) | ((minima[4 + k]! & 15) << 4);
  }
};
