/** What scans need besides their own bytes (T.81, B.2.4). Each kind of table has four places, filled anew at any time. */
import { ZIGZAG } from './coefficients.ts';
import { JpegError } from './error.ts';
import { huffmanTable } from './huffman.ts';

export interface Tables {
  readonly dc: (Uint16Array | undefined)[];
  readonly ac: (Uint16Array | undefined)[];
  /** Row by row, as coefficients are stored. */
  readonly quantisation: (Uint16Array | undefined)[];
  /** Units between restart markers, 0 where there are none. */
  restartInterval: number;
}

export const noTables = (): Tables => ({ dc: [], ac: [], quantisation: [], restartInterval: 0 });

const PLACES = 4;

/** Takes the Huffman tables of a segment. */
export const readHuffman = (tables: Tables, body: Uint8Array): void => {
  let rest = body;
  while (rest.length > 0) {
    const [kind = 0] = rest;
    const counts = rest.subarray(1, 17);
    const n = counts.reduce((sum, count) => sum + count, 0);
    if (kind >> 4 > 1 || (kind & 15) >= PLACES || n > 256 || rest.length < 17 + n)
      throw new JpegError('a Huffman table that is none');
    (kind >> 4 === 0 ? tables.dc : tables.ac)[kind & 15] = huffmanTable(counts, rest.subarray(17, 17 + n));
    rest = rest.subarray(17 + n);
  }
};

/** Takes the quantisation tables of a segment, of 8 or of 16 bits. */
export const readQuantisation = (tables: Tables, body: Uint8Array): void => {
  let rest = body;
  while (rest.length > 0) {
    const [kind = 0] = rest;
    const width = 1 + (kind >> 4);
    const end = 1 + 64 * width;
    if (width > 2 || (kind & 15) >= PLACES || rest.length < end)
      throw new JpegError('a quantisation table that is none');
    const table = new Uint16Array(64);
    ZIGZAG.forEach((place, k) => {
      const at = 1 + k * width;
      table[place] = width === 1 ? rest[at]! : (rest[at]! << 8) | rest[at + 1]!;
    });
    tables.quantisation[kind & 15] = table;
    rest = rest.subarray(end);
  }
};

/** Takes the number of units between restart markers. */
export const readRestartInterval = (tables: Tables, body: Uint8Array): void => {
  const [high = 0, low = 0] = body;
  if (body.length !== 2) throw new JpegError('a restart interval that is none');
  tables.restartInterval = (high << 8) | low;
};
