/** From float32 to the 16 bits of IEEE 754 half precision. */

/** The nearest halves, ties to even; too large becomes infinite, NaN stays NaN. */
export const halvesOf = (values: Float32Array): Uint16Array<ArrayBuffer> => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = halfBits(bits[i]!);
  return halves;
};

const SIGN = 0x8000;
const NOT_A_NUMBER = 0x7e00;
const INFINITE = 0x7c00;
/** float32's bits of infinity; of 65520, from where on a half is infinite; of 2^-14, the smallest normal half. */
const F32_INFINITE = 0x7f800000;
const F32_TOO_LARGE = 0x477ff000;
const F32_SMALLEST_NORMAL = 0x38800000;
/** What the exponent's bias of 127 has over that of 15. */
const BIAS = 0x38000000;

const sum = new Float32Array(1);
const sumBits = new Uint32Array(sum.buffer);

const halfBits = (bits: number): number => {
  const sign = (bits >>> 16) & SIGN;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > F32_INFINITE) return sign | NOT_A_NUMBER;
  if (magnitude >= F32_TOO_LARGE) return sign | INFINITE;
  if (magnitude < F32_SMALLEST_NORMAL) {
    // One half has float32 steps of 2^-24, which are a subnormal half's: adding it rounds to them.
    sumBits[0] = magnitude;
    sum[0] = sum[0]! + 0.5;
    return sign | (sumBits[0]! & 0xffff);
  }
  // A carry out of the rounded fraction goes into the exponent, where it belongs.
  return sign | ((magnitude - BIAS + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
};
