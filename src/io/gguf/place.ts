/** A tensor and its place in a file: how many bytes it takes there, and how they are read. */
import type { UserError } from '../../errors.ts';
import type { StoredTensor } from '../../graph/weights.ts';
import type { OpenFile } from './file.ts';
import type { QuantType } from './quants/quant.ts';
import { type Pack, storedTensor, type TensorLayout } from './stored.ts';

export interface TensorPlace extends TensorLayout {
  /** From the beginning of the file. */
  readonly offset: number;
}

/** The tensor at this place; bytes are read when they are asked for. */
export const tensorAt = (file: OpenFile, place: TensorPlace, pack?: Pack): StoredTensor =>
  storedTensor(
    place,
    ({ from, to }, rowBytes) => file.read(place.offset + from * rowBytes, (to - from) * rowBytes),
    pack,
  );

/**
 * Bytes of a tensor of this shape in ggml's order (`ggml_nbytes`); exact, since no more than `limit` is allowed.
 * @throws what `fail` makes of a shape that no file can hold
 */
export const storedLength = (
  ne: readonly bigint[],
  type: QuantType,
  limit: number,
  fail: (what: string) => UserError,
): number => {
  const [ne0 = 1n] = ne;
  const shape = `shape [${[...ne].reverse().join(', ')}]`;
  if (ne.some((n) => n < 1n)) throw fail(`${shape} has an empty axis`);
  if (ne0 % BigInt(type.blockSize) !== 0n) {
    throw fail(`${shape} of type ${type.name.toUpperCase()} needs rows of a multiple of ${type.blockSize}`);
  }
  const nValue = ne.reduce((product, n) => product * n, 1n);
  const nByte = (nValue / BigInt(type.blockSize)) * BigInt(type.blockBytes);
  if (nByte > BigInt(limit)) throw fail(`${shape} takes ${nByte} bytes, the whole file has ${limit}`);
  return Number(nByte);
};
