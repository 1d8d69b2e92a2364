/** Blocks of any rate as pieces of 16 kHz, the mean of all channels or two of them. */
import { SAMPLE_RATE } from './mel.ts';
import type { Resampler } from './resample.ts';
import { createResampler } from './resample.ts';
import type { Block } from './sound.ts';
import { checkFormat, unreadable } from './sound.ts';

/**
 * 16 kHz, the mean of all channels; a low-frequency channel counts as any other, as in whisper.cpp.
 * @throws UserError 'file' where there is not one sample
 */
export async function* monoAt16k(name: string, blocks: AsyncIterable<Block>): AsyncGenerator<Float32Array> {
  for await (const [mean] of at16k(name, blocks, ({ channels }) => [meanOf(channels)])) if (mean) yield mean;
}

/** 16 kHz, the first two channels; the only one twice where there is one. */
export async function* stereoAt16k(
  name: string,
  blocks: AsyncIterable<Block>,
): AsyncGenerator<readonly [left: Float32Array, right: Float32Array]> {
  for await (const [left, right] of at16k(name, blocks, ({ channels: [a, b] }) => (a ? [a, b ?? a] : [])))
    if (left && right) yield [left, right];
}

type Channels = readonly Float32Array[];

async function* at16k(name: string, blocks: AsyncIterable<Block>, pick: (block: Block) => Channels) {
  let rate = 0;
  let resamplers: Resampler[] = [];
  let isEmpty = true;
  for await (const block of blocks) {
    for (const samples of block.channels) silenceNonsense(samples);
    const channels = pick(block);
    // Ogg streams may be chained, each with a rate of its own.
    if (block.sampleRate !== rate) {
      checkFormat(name, block.sampleRate, block.channels.length);
      if (rate > 0) yield resamplers.map((r) => r.end());
      rate = block.sampleRate;
      resamplers = channels.map(() => createResampler(rate, SAMPLE_RATE));
    }
    isEmpty &&= channels[0]?.length === 0;
    yield channels.map((samples, i) => resamplers[i]?.push(samples) ?? new Float32Array(0));
  }
  if (isEmpty) throw unreadable(name, 'there is no sound in it');
  yield resamplers.map((r) => r.end());
}

/** Samples that are no number, infinite or absurd would drown all others: a damaged recording's, or a float's. */
const LOUDEST = 1000;

const silenceNonsense = (samples: Float32Array): void => {
  for (let i = 0; i < samples.length; i++) if (!(Math.abs(samples[i]!) <= LOUDEST)) samples[i] = 0;
};

const meanOf = (channels: Channels): Float32Array => {
  const [first, ...others] = channels;
  if (!first || others.length === 0) return first ?? new Float32Array(0);
  const mean = Float32Array.from(first);
  for (const channel of others) for (let i = 0; i < mean.length; i++) mean[i]! += channel[i]!;
  for (let i = 0; i < mean.length; i++) mean[i]! /= channels.length;
  return mean;
};
