/**
 * When each token was said, by what the decoder looked at while it wrote it: dynamic time warping over the attention of
 * some heads, as openai/whisper's timing.py does it.
 */

export interface AlignmentOptions {
  /** Tokens of the whole text with its prompt; each head has a row for every one. */
  readonly nToken: number;
  /** Positions of 20 ms in a row, of which the first `nPosition` are sound. */
  readonly nCtx: number;
  readonly nPosition: number;
  /**
   * Rows to leave out at the beginning: the start of transcript and what follows it up to, not including, the token
   * before the text. What a token looked at to write the next one is in its own row, so that row stays.
   */
  readonly nLead: number;
}

/** Values that the median looks at, in positions. */
const MEDIAN_WIDTH = 7;

/**
 * The position at which each token of the text begins, and last the one at which the text ends: the rows from `nLead` on
 * without the last token's. They never decrease.
 * @param heads what each head looked at, `[nToken, nCtx]`; every row sums to 1
 */
export const tokenPositions = (heads: readonly Float32Array[], o: AlignmentOptions): number[] =>
  warp(attention(heads, o), o.nToken - o.nLead - 1, o.nPosition);

/** The mean over the heads, `[nToken - nLead - 1, nPosition]`, of what stands out among the tokens. */
const attention = (heads: readonly Float32Array[], o: AlignmentOptions): Float64Array => {
  const { nToken, nCtx, nPosition, nLead } = o;
  const nRow = nToken - nLead - 1;
  const mean = new Float64Array(nRow * nPosition);
  for (const head of heads) {
    const looks = standardised(overSound(head, nToken, nCtx, nPosition), nToken, nPosition);
    for (let row = 0; row < nRow; row++) {
      const smooth = medians(looks.subarray((row + nLead) * nPosition, (row + nLead + 1) * nPosition));
      for (let i = 0; i < nPosition; i++) mean[row * nPosition + i]! += smooth[i]! / heads.length;
    }
  }
  return mean;
};

/** Each row as if nothing but sound had been there to look at. */
const overSound = (head: Float32Array, nToken: number, nCtx: number, nPosition: number): Float64Array => {
  const out = new Float64Array(nToken * nPosition);
  for (let row = 0; row < nToken; row++) {
    const looks = head.subarray(row * nCtx, row * nCtx + nPosition);
    const sum = looks.reduce((total, x) => total + x, 0);
    for (let i = 0; i < nPosition; i++) out[row * nPosition + i] = sum > 0 ? looks[i]! / sum : 1 / nPosition;
  }
  return out;
};

/** Each position less its mean over all tokens, in standard deviations. */
const standardised = (looks: Float64Array, nToken: number, nPosition: number): Float64Array => {
  for (let i = 0; i < nPosition; i++) {
    let [sum, squares] = [0, 0];
    for (let row = 0; row < nToken; row++) sum += looks[row * nPosition + i]!;
    const mean = sum / nToken;
    for (let row = 0; row < nToken; row++) squares += (looks[row * nPosition + i]! - mean) ** 2;
    const deviation = Math.sqrt(squares / nToken);
    for (let row = 0; row < nToken; row++) {
      const at = row * nPosition + i;
      looks[at] = deviation > 0 ? (looks[at]! - mean) / deviation : 0;
    }
  }
  return looks;
};

/** The middle one of each value and its neighbours; beyond the ends the row is mirrored. */
const medians = (row: Float64Array): Float64Array => {
  const half = (MEDIAN_WIDTH - 1) / 2;
  const n = row.length;
  if (n <= half) return row;
  const window = new Float64Array(MEDIAN_WIDTH);
  return row.map((_, i) => {
    for (let k = 0; k < MEDIAN_WIDTH; k++) {
      const at = Math.abs(i + k - half);
      window[k] = row[at < n ? at : 2 * (n - 1) - at]!;
    }
    return window.sort()[half]!;
  });
};

/** How the cheapest way got to a place: from the row and position before, from the row, or from the position. */
const BOTH = 0;
const ROW = 1;
const POSITION = 2;

/** The position at which the way through all rows that looks at most enters each row. */
const warp = (looks: Float64Array, nRow: number, nPosition: number): number[] => {
  const from = new Uint8Array(nRow * nPosition);
  let above = new Float64Array(nPosition + 1).fill(Number.POSITIVE_INFINITY);
  let here = new Float64Array(nPosition + 1);
  above[0] = 0;
  for (let row = 0; row < nRow; row++) {
    here[0] = Number.POSITIVE_INFINITY;
    for (let i = 0; i < nPosition; i++) {
      const [both, up, left] = [above[i]!, above[i + 1]!, here[i]!];
      const way = both < up && both < left ? BOTH : up < both && up < left ? ROW : POSITION;
      from[row * nPosition + i] = way;
      here[i + 1] = (way === BOTH ? both : way === ROW ? up : left) - looks[row * nPosition + i]!;
    }
    [above, here] = [here, above];
  }
  const starts = new Array<number>(nRow).fill(0);
  let [row, i] = [nRow - 1, nPosition - 1];
  while (row >= 0 && i >= 0) {
    starts[row] = i;
    const way = from[row * nPosition + i];
    if (way !== POSITION) row--;
    if (way !== ROW) i--;
  }
  return starts;
};
