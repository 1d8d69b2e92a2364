/**
 * Rounding blocks of float32 values to evenly spaced integers as ggml's reference functions do (`quantize_row_*_ref`
 * in ggml-quants.c), in float32 arithmetic, so that files come out as llama.cpp writes them.
 */

const { fround, trunc, min, abs } = Math;

/** A scale and, where there is one, a minimum; the integers are in the array that was given. */
export interface Rounded {
  readonly scale: number;
  readonly minimum: number;
}

/** w = scale * (q - half), q from 0 to 2 * half - 1: the value of largest magnitude becomes exactly -half * scale. */
export const roundSigned = (values: Float32Array, from: number, half: number, q: Uint8Array): Rounded => {
  let largest = 0;
  for (let j = 0; j < q.length; j++) if (abs(values[from + j]!) > abs(largest)) largest = values[from + j]!;
  const scale = fround(largest / -half);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  for (let j = 0; j < q.length; j++) {
    q[j] = min(2 * half - 1, trunc(fround(fround(values[from + j]! * inverse) + half + 0.5)));
  }
  return { scale, minimum: 0 };
};

/** w = scale * q + minimum, q from 0 to `most`: the smallest value becomes 0, the largest `most`. */
export const roundAbove = (values: Float32Array, from: number, most: number, q: Uint8Array): Rounded => {
  let [minimum, largest] = [values[from]!, values[from]!];
  for (let j = 1; j < q.length; j++) {
    const value = values[from + j]!;
    if (value < minimum) minimum = value;
    if (value > largest) largest = value;
  }
  const scale = fround(fround(largest - minimum) / most);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  for (let j = 0; j < q.length; j++) {
    q[j] = min(most, trunc(fround(fround(fround(values[from + j]! - minimum) * inverse) + 0.5)));
  }
  return { scale, minimum };
};
