/** What the types of 32 values share: the low half of a block's nibbles, then the high half; a fifth bit apart. */

const BLOCK = 32;

/** The nibbles of 16 bytes at `at`: value j is the low, value 16 + j the high one of byte j. */
export const splitNibbles = (bytes: Uint8Array, at: number, q: Uint8Array, o: number): void => {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + j]!;
    q[o + j] = byte & 15;
    q[o + 16 + j] = byte >> 4;
  }
};

/** Adds 16 where bit j of the 4 bytes at `at` says that value j has its fifth bit set. */
export const addFifthBits = (bytes: Uint8Array, at: number, q: Uint8Array, o: number): void => {
  for (let j = 0; j < BLOCK; j++) q[o + j] = q[o + j]! | (((bytes[at + (j >> 3)]! >> (j & 7)) & 1) << 4);
};

/** The other way round, of the integers `q` of one block. */
export const joinNibbles = (q: ArrayLike<number>, bytes: Uint8Array, at: number): void => {
  for (let j = 0; j < 16; j++) bytes[at + j] = (q[j]! & 15) | ((q[16 + j]! & 15) << 4);
};

/** Puts the fifth bits of 32 integers into four bytes. */
export const joinFifthBits = (q: ArrayLike<number>, bytes: Uint8Array, at: number): void => {
  bytes.fill(0, at, at + 4);
  for (let j = 0; j < BLOCK; j++) bytes[at + (j >> 3)] = bytes[at + (j >> 3)]! | ((q[j]! >> 4) << (j & 7));
};
