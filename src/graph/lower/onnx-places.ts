/**
 * Where the weights of an ONNX model lie in the file beside it: `offset` and `length` of each, and in `prepacked_N`, as
 * `KEY|OFFSET;LENGTH;CHECKSUM|...`, of what the runtime has made of it.
 */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { TensorProto } from 'onnx-buf';
import { ModelProtoSchema } from 'onnx-buf';

/** Bytes that belong at another place. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly byteLength: number;
}

export interface Moved {
  readonly onnx: Uint8Array;
  /** In the order of both files. */
  readonly moves: readonly Move[];
}

/**
 * The model for a file in which everything begins at a multiple of `alignment`, and how that file is made of the old one.
 * Undefined where all that the runtime has packed does so already.
 */
export const alignedPlaces = (onnx: Uint8Array, alignment: number): Moved | undefined => {
  const model = fromBinary(ModelProtoSchema, onnx);
  const weights = model.graph?.initializer.filter(({ externalData }) => externalData.length > 0) ?? [];
  const places = weights.flatMap(placesOf);
  if (places.every(({ from, isPacked }) => !isPacked || from % alignment === 0)) return undefined;
  let end = 0;
  const moves = new Map<number, Move>();
  for (const { from, byteLength } of places.sort((a, b) => a.from - b.from)) {
    if (moves.has(from)) continue;
    moves.set(from, { from, to: end, byteLength });
    end = Math.ceil((end + byteLength) / alignment) * alignment;
  }
  for (const weight of weights) replacePlaces(weight, (from) => moves.get(from)?.to ?? from);
  return { onnx: toBinary(ModelProtoSchema, model), moves: [...moves.values()] };
};

interface Place {
  readonly from: number;
  readonly byteLength: number;
  /** Whether it is the runtime's form of a weight. */
  readonly isPacked: boolean;
}

const PACKED = /(\d+);(\d+)(?=;)/g;

const isPacked = (key: string): boolean => key.startsWith('prepacked_');

const placesOf = ({ externalData }: TensorProto): readonly Place[] => {
  const said = new Map(externalData.map(({ key, value }) => [key, value]));
  const packed = externalData.filter(({ key }) => isPacked(key)).flatMap(({ value }) => [...value.matchAll(PACKED)]);
  return [
    { from: Number(said.get('offset')), byteLength: Number(said.get('length')), isPacked: false },
    ...packed.map(([, from, byteLength]) => ({ from: Number(from), byteLength: Number(byteLength), isPacked: true })),
  ];
};

const replacePlaces = ({ externalData }: TensorProto, to: (from: number) => number): void => {
  for (const said of externalData) {
    if (said.key === 'offset') said.value = `${to(Number(said.value))}`;
    if (isPacked(said.key)) said.value = said.value.replace(PACKED, (_, from, n) => `${to(Number(from))};${n}`);
  }
};
