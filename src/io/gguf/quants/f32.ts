import type { QuantType } from './quant.ts';

/** Float32, as it is. */
export const f32 = {
  name: 'f32',
  id: 0,
  blockSize: 1,
  blockBytes: 4,
  decode(bytes, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  },
  encode(values, out) {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  },
} as const satisfies QuantType;
