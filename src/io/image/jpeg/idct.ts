/**
 * From coefficients to samples, in whole numbers of 12 bits behind the point, as stb_image's stbi__idct_block computes
 * it (public domain; after libjpeg's jidctint: Loeffler, Ligtenberg and Moschytz 1989). Between columns and rows it keeps
 * 2 bits, so that results differ by a grey level here and there from those of libjpeg-turbo.
 */
import { JpegError } from './error.ts';
import { BLOCK, type Component, SIDE } from './frame.ts';

/** The samples of a colour. */
export interface Plane {
  /** `[height, stride]`; what is right of `width` stands for nothing. */
  readonly data: Uint8ClampedArray;
  readonly stride: number;
  readonly width: number;
  readonly height: number;
}

const ROUND = (1 << 16) + (128 << 17);

/** All blocks of a component, multiplied and transformed. */
export const planeOf = ({ coefficients, quantisation, width, height, blocksAcross, blocksDown }: Component): Plane => {
  if (!quantisation) throw new JpegError('a colour without a scan');
  const stride = blocksAcross * SIDE;
  const data = new Uint8ClampedArray(stride * blocksDown * SIDE);
  const work = new Int32Array(BLOCK);
  for (let block = 0; block < blocksAcross * blocksDown; block++) {
    let others = 0;
    for (let i = 0; i < BLOCK; i++) {
      // Products are cut to 16 bits, which only damaged files exceed.
      const product = (Math.imul(coefficients[block * BLOCK + i]!, quantisation[i]!) << 16) >> 16;
      work[i] = product;
      if (i > 0) others |= product;
    }
    if (others === 0) work.fill((work[0]! * 4 * 4096 + ROUND) >> 17);
    else {
      for (let x = 0; x < SIDE; x++) transform(work, x, SIDE, 1 << 9, 10);
      for (let y = 0; y < SIDE; y++) transform(work, y * SIDE, 1, ROUND, 17);
    }
    const column = (block % blocksAcross) * SIDE;
    const row = Math.floor(block / blocksAcross) * SIDE;
    for (let y = 0, i = 0; y < SIDE; y++) {
      const at = (row + y) * stride + column;
      for (let x = 0; x < SIDE; x++, i++) data[at + x] = work[i]!;
    }
  }
  return { data, stride, width, height };
};

/** A factor as stb_image has it: 12 bits behind the point, half a unit added, the rest cut off. */
const fixed = (x: number): number => Math.trunc(Math.fround(x) * 4096 + 0.5);

const F0_298 = fixed(0.298631336);
const F0_541 = fixed(0.5411961);
const F0_765 = fixed(0.765366865);
const F1_175 = fixed(1.175875602);
const F1_501 = fixed(1.50132111);
const F2_053 = fixed(2.053119869);
const F3_072 = fixed(3.072711026);
const N0_390 = fixed(-0.390180644);
const N0_899 = fixed(-0.899976223);
const N1_847 = fixed(-1.847759065);
const N1_961 = fixed(-1.96157056);
const N2_562 = fixed(-2.562915447);

/** Transforms the 8 numbers at `at`, `step` apart, in their places: `round` is added, and `shift` bits are cut off. */
const transform = (v: Int32Array, at: number, step: number, round: number, shift: number): void => {
  const s0 = v[at]!;
  const s1 = v[at + step]!;
  const s2 = v[at + 2 * step]!;
  const s3 = v[at + 3 * step]!;
  const s4 = v[at + 4 * step]!;
  const s5 = v[at + 5 * step]!;
  const s6 = v[at + 6 * step]!;
  const s7 = v[at + 7 * step]!;
  if ((s1 | s2 | s3 | s4 | s5 | s6 | s7) === 0) {
    const flat = (s0 * 4096 + round) >> shift;
    for (let i = 0; i < SIDE; i++) v[at + i * step] = flat;
    return;
  }
  const turn = (s2 + s6) * F0_541;
  const low = turn + s2 * F0_765;
  const high = turn + s6 * N1_847;
  const sum = (s0 + s4) * 4096 + round;
  const difference = (s0 - s4) * 4096 + round;
  const even0 = sum + low;
  const even1 = difference + high;
  const even2 = difference - high;
  const even3 = sum - low;
  const all = (s1 + s3 + s5 + s7) * F1_175;
  const s17 = all + (s1 + s7) * N0_899;
  const s35 = all + (s3 + s5) * N2_562;
  const s37 = (s3 + s7) * N1_961;
  const s15 = (s1 + s5) * N0_390;
  const odd0 = s1 * F1_501 + s17 + s15;
  const odd1 = s3 * F3_072 + s35 + s37;
  const odd2 = s5 * F2_053 + s35 + s15;
  const odd3 = s7 * F0_298 + s17 + s37;
  v[at] = (even0 + odd0) >> shift;
  v[at + step] = (even1 + odd1) >> shift;
  v[at + 2 * step] = (even2 + odd2) >> shift;
  v[at + 3 * step] = (even3 + odd3) >> shift;
  v[at + 4 * step] = (even3 - odd3) >> shift;
  v[at + 5 * step] = (even2 - odd2) >> shift;
  v[at + 6 * step] = (even1 - odd1) >> shift;
  v[at + 7 * step] = (even0 - odd0) >> shift;
};
