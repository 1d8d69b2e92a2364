/** What every reader of audio gives: samples piece by piece, so that a recording's length costs no memory. */
import { UserError } from '../../errors.ts';

/** Samples of every channel, equally many, between -1 and 1. */
export interface Block {
  readonly sampleRate: number;
  readonly channels: readonly Float32Array[];
}

/** Bytes as they come from a file, a pipe or another program. */
export type Bytes = AsyncIterable<Uint8Array>;

/** A recording that cannot be heard: damaged, empty, or in a form nobody here reads. */
export const unreadable = (name: string, why: string, hint?: string): UserError =>
  new UserError('file', `cannot read '${name}': ${why}`, hint);

/** Telephones have 8 kHz, studios 192; more channels than this is a damaged header. */
const MAX_RATE = 768_000;
const MAX_CHANNELS = 64;

/** Throws unless a header's rate and channels are those of a sound. */
export const checkFormat = (name: string, sampleRate: number, nChannel: number): void => {
  if (!(sampleRate >= 1 && sampleRate <= MAX_RATE))
    throw unreadable(name, `its sample rate is ${sampleRate}, expected 1 to ${MAX_RATE}`);
  if (!(nChannel >= 1 && nChannel <= MAX_CHANNELS))
    throw unreadable(name, `it has ${nChannel} channels, expected 1 to ${MAX_CHANNELS}`);
};

/** Interleaved samples as one array per channel. */
export const deinterleave = (samples: Float32Array, nChannel: number): Float32Array[] => {
  if (nChannel === 1) return [samples];
  const length = Math.floor(samples.length / nChannel);
  return Array.from({ length: nChannel }, (_, c) => {
    const channel = new Float32Array(length);
    for (let i = 0, at = c; i < length; i++, at += nChannel) channel[i] = samples[at]!;
    return channel;
  });
};

/** One piece of a channel and the next. */
export const joined = (a: Float32Array, b: Float32Array): Float32Array => {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
};
