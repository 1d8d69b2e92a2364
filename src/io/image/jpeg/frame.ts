/** The frame of a JPEG: its size, and the samples of each colour (T.81, annexes A.1, A.2 and B.2.2). */
import { JpegError } from './error.ts';

/** Samples across and down of a block. */
export const SIDE = 8;
export const BLOCK = SIDE * SIDE;

/** A colour, its samples in blocks. */
export interface Component {
  readonly id: number;
  /** Blocks across and down in each unit of interleaved colours. */
  readonly h: number;
  readonly v: number;
  /** Samples that pixels are made of. */
  readonly width: number;
  readonly height: number;
  /** Blocks in a row, those of whole units: often more than `width` needs. */
  readonly blocksAcross: number;
  readonly blocksDown: number;
  /** `[blocksDown, blocksAcross, 64]`, row by row within a block, not yet multiplied. */
  readonly coefficients: Int16Array;
  /** Which of the file's tables coefficients are multiplied with. It is taken when the colour's first scan comes. */
  readonly quantisationId: number;
  quantisation: Uint16Array | undefined;
}

export interface Frame {
  readonly isProgressive: boolean;
  readonly width: number;
  readonly height: number;
  /** The most that a component has of `h` and `v`. */
  readonly hMax: number;
  readonly vMax: number;
  /** Units of interleaved colours: `hMax` by `vMax` blocks of the picture. */
  readonly unitsAcross: number;
  readonly unitsDown: number;
  readonly components: readonly Component[];
}

/** How much of a file there is, and how many pixels may come of it. */
export interface Bounds {
  readonly bytes: number;
  readonly pixels: number;
}

/**
 * The frame that a header's body tells of, all coefficients 0. Sizes are looked at before memory is taken.
 * @returns undefined for what stb_image does not read: 12 bits, two colours, a colour of 2/3 of another's size
 */
export const readFrame = (body: Uint8Array, isProgressive: boolean, most: Bounds): Frame | undefined => {
  const precision = body[0];
  const n = body[5] ?? 0;
  if (body.length !== 6 + 3 * n) throw new JpegError('a frame header of the wrong length');
  if (precision !== 8 || ![1, 3, 4].includes(n)) return undefined;
  const { width, height } = sizeOf(body);
  if (width === 0 || height === 0) throw new JpegError('a picture without pixels');
  if (width * height > most.pixels) throw new JpegError('more pixels than they claimed');
  const heads = Array.from({ length: n }, (_, i) => headOf(body.subarray(6 + 3 * i)));
  const hMax = Math.max(...heads.map(({ h }) => h));
  const vMax = Math.max(...heads.map(({ v }) => v));
  if (heads.some(({ h, v }) => hMax % h !== 0 || vMax % v !== 0)) return undefined;
  const unitsAcross = Math.ceil(width / (SIDE * hMax));
  const unitsDown = Math.ceil(height / (SIDE * vMax));
  const sized = heads.map((head) => ({
    ...head,
    width: Math.ceil((width * head.h) / hMax),
    height: Math.ceil((height * head.v) / vMax),
    blocksAcross: unitsAcross * head.h,
    blocksDown: unitsDown * head.v,
  }));
  // Each block takes a bit at least.
  const blocks = sized.reduce((sum, c) => sum + Math.ceil(c.width / SIDE) * Math.ceil(c.height / SIDE), 0);
  if (blocks > 8 * most.bytes) throw new JpegError('they end too early');
  const components = sized.map((c) => ({
    ...c,
    coefficients: new Int16Array(c.blocksAcross * c.blocksDown * BLOCK),
    quantisation: undefined,
  }));
  return { isProgressive, width, height, hMax, vMax, unitsAcross, unitsDown, components };
};

const sizeOf = ({ buffer, byteOffset, length }: Uint8Array): { readonly width: number; readonly height: number } => {
  const view = new DataView(buffer, byteOffset, length);
  return { height: view.getUint16(1), width: view.getUint16(3) };
};

const headOf = ([id = 0, sampling = 0, quantisationId = 0]: Uint8Array): Pick<
  Component,
  'id' | 'h' | 'v' | 'quantisationId'
> => {
  const [h, v] = [sampling >> 4, sampling & 15];
  if (Math.min(h, v) < 1 || Math.max(h, v) > 4) throw new JpegError('a colour without samples');
  return { id, h, v, quantisationId };
};
