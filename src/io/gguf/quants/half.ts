/** IEEE 754 half precision, the type of every scale in ggml's blocks. */

/** 2^-24, the smallest positive half: subnormals are multiples of it. */
const SUBNORMAL_STEP = 2 ** -24;

/** The value of a half given by its 16 bits. */
export const halfToFloat = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * SUBNORMAL_STEP;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

let table: Float32Array | undefined;

/** All 65536 halves by their bits: a look-up is several times faster than arithmetic. Made on first use. */
export const halfTable = (): Float32Array => (table ??= Float32Array.from({ length: 65536 }, (_, i) => halfToFloat(i)));

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** The 16 bits of the half nearest to a float32 value, ties to even; too large becomes infinite, NaN stays NaN. */
export const floatToHalf = (value: number): number => {
  float[0] = value;
  const bits = floatBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(float[0]!) / SUBNORMAL_STEP);
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13); // exponent bias 127 becomes 15; a carry is right
};

const roundHalfEven = (x: number): number => {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
};

/** The half at a byte's place, low byte first. */
export const halfAt = (bytes: Uint8Array, at: number): number => halfTable()[bytes[at]! | (bytes[at + 1]! << 8)]!;

/** Writes the half nearest to a value. */
export const setHalf = (bytes: Uint8Array, at: number, value: number): void => {
  const bits = floatToHalf(value);
  bytes[at] = bits;
  bytes[at + 1] = bits >> 8;
};
