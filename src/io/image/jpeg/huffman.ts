/** Huffman codes as a table of all that 16 bits may begin with. */
import { JpegError } from './error.ts';

/**
 * For each 16 bits the symbol whose code they begin with, and over it, from bit 8 on, the code's length: 0 where there is
 * none. Codes of one length are consecutive numbers, and shorter ones come first (T.81, annex C), so that in the table each
 * follows the last.
 * @param counts how many codes have 1 bit, 2 bits and so on up to 16
 */
export const huffmanTable = (counts: Uint8Array, symbols: Uint8Array): Uint16Array => {
  const table = new Uint16Array(1 << 16);
  let end = 0;
  let nth = 0;
  counts.forEach((count, i) => {
    const length = i + 1;
    for (let n = 0; n < count; n++) {
      const begin = end;
      end += 1 << (16 - length);
      if (end > table.length) throw new JpegError('a Huffman table of too many codes');
      table.fill((length << 8) | symbols[nth++]!, begin, end);
    }
  });
  return table;
};
