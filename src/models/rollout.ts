/** Attention rollout (Abnar & Zuidema 2020): how much of each patch reaches the class token through all layers. */

/**
 * Each layer mixes a token half with itself and half with what it looks at, by the mean of all heads.
 * @param layers of each layer, the first one first, how much each token looks at each: `[nHead, T, T]`
 * @param nToken T
 * @param nPrefix tokens before the patches, the first of which is looked back from; without any, all patches are
 * @returns shares of the patches, `[T - nPrefix]`, of which the largest is 1
 */
export const attentionRollout = (layers: readonly Float32Array[], nToken: number, nPrefix: number): Float32Array => {
  // What the last layer's token is made of, traced back layer by layer.
  let shares = Float64Array.from({ length: nToken }, (_, i) => (nPrefix === 0 ? 1 / nToken : i === 0 ? 1 : 0));
  for (const looks of layers.toReversed()) {
    const nHead = looks.length / nToken ** 2;
    const before = new Float64Array(nToken);
    for (let i = 0; i < nToken; i++) {
      const share = shares[i]! / 2;
      if (share === 0) continue;
      before[i] = before[i]! + share;
      for (let h = 0; h < nHead; h++) {
        const row = (h * nToken + i) * nToken;
        for (let j = 0; j < nToken; j++) before[j] = before[j]! + (share * looks[row + j]!) / nHead;
      }
    }
    shares = before;
  }
  const patches = Float32Array.from(shares.subarray(nPrefix));
  const most = patches.reduce((a, b) => Math.max(a, b), 0);
  return most > 0 ? patches.map((share) => share / most) : patches;
};
