/** Red, green and blue from the colours of a file, as stb_image computes them (public domain). */
import { CHANNELS } from '../pixels.ts';

/** What a file's colours are; of four that are 'ycc' the last says nothing. Ink is stored upside down: 255 is none. */
export type ColourSpace = 'grey' | 'rgb' | 'ycc' | 'cmyk' | 'ycck';

/** Writes a row of pixels to `out`, from `at` on. @param rows a row of each of the file's colours */
export type WriteColours = (out: Uint8ClampedArray, at: number, rows: readonly Uint8Array[], width: number) => void;

const plain: WriteColours = (out, at, rows, width) => {
  for (let c = 0; c < CHANNELS; c++) {
    const row = rows[c] ?? rows[0]!;
    for (let x = 0, o = at + c; x < width; x++, o += CHANNELS) out[o] = row[x]!;
  }
};

/** A factor of 12 bits behind the point, moved up to 20, where brightness has its point. */
const fixed = (x: number): number => Math.trunc(x * 4096 + 0.5) << 8;

const CR_RED = fixed(1.402);
const CR_GREEN = fixed(0.71414);
const CB_GREEN = fixed(0.34414);
const CB_BLUE = fixed(1.772);

/** JFIF's, as stbi__YCbCr_to_RGB_row: of blue's share in green the lower bits are cut off. */
const ycc: WriteColours = (out, at, rows, width) => {
  const [luma, blue, red] = [rows[0]!, rows[1]!, rows[2]!];
  for (let x = 0, o = at; x < width; x++, o += CHANNELS) {
    const y = (luma[x]! << 20) + (1 << 19);
    const cb = blue[x]! - 128;
    const cr = red[x]! - 128;
    out[o] = (y + cr * CR_RED) >> 20;
    out[o + 1] = (y - cr * CR_GREEN + ((-cb * CB_GREEN) & ~0xffff)) >> 20;
    out[o + 2] = (y + cb * CB_BLUE) >> 20;
  }
};

const darken = (out: Uint8ClampedArray, at: number, black: Uint8Array, width: number): void => {
  for (let x = 0, o = at; x < width; x++, o += CHANNELS) {
    for (let c = 0; c < CHANNELS; c++) out[o + c] = product(out[o + c]!, black[x]!);
  }
};

/** Of two shares of 255, rounded; exact (Blinn 1995, "Three Wrongs Make a Right"). */
const product = (a: number, b: number): number => {
  const t = a * b + 128;
  return (t + (t >> 8)) >> 8;
};

/** By the colours that a file has. */
export const colourWriters: Readonly<Record<ColourSpace, WriteColours>> = {
  grey: plain,
  rgb: plain,
  ycc,
  cmyk: (out, at, rows, width) => {
    plain(out, at, rows, width);
    darken(out, at, rows[3]!, width);
  },
  ycck: (out, at, rows, width) => {
    ycc(out, at, rows, width);
    for (let o = at; o < at + width * CHANNELS; o++) out[o] = 255 - out[o]!;
    darken(out, at, rows[3]!, width);
  },
};
