/**
 * Silero's voice activity detector: the spectrum of a chunk by a fixed convolution, four convolutions, and an LSTM that
 * remembers what it heard in the chunks before.
 */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import { add, mul, relu, sigmoid, sqrt } from '../graph/ops/arithmetic.ts';
import { conv, reflect } from '../graph/ops/conv.ts';
import { lstm } from '../graph/ops/lstm.ts';
import { linear } from '../graph/ops/matmul.ts';
import { slice, transpose } from '../graph/ops/shape.ts';
import type { Weights } from '../graph/weights.ts';
import { define } from './definition.ts';
import { expectHparam } from './expect-hparam.ts';

/** Samples of one Fourier frame and from one to the next. */
const N_FFT = 256;
const HOP = 128;
const N_BIN = N_FFT / 2 + 1;
/** Samples mirrored on either side of a chunk. */
const PAD = 64;
const KERNEL = 3;
/** How the convolutions go from four frames to one. */
const STRIDES = [1, 2, 2, 1] as const;

const hparams = (m: Hparams) => {
  const nWindow = m.int('window_length');
  const nIn = m.perLayer('convolution.input_lengths', STRIDES.length);
  const nOut = m.perLayer('convolution.output_lengths', STRIDES.length);
  expectHparam(nWindow === 512, 'window_length', nWindow, '512: what a model for 16 kHz hears at a time');
  return {
    nWindow,
    convs: STRIDES.map((stride, i) => ({ nIn: nIn[i] ?? 0, nOut: nOut[i] ?? 0, stride })),
    nEmbd: m.int('embedding_length'),
  };
};

export type SileroHparams = ReturnType<typeof hparams>;

const weights = (w: Weights, h: SileroHparams) => ({
  stft: w.conv('stft', 1, 2 * N_BIN, [N_FFT]),
  convs: w.each('encoder', h.convs.length, (w, i) => {
    const { nIn, nOut, stride } = h.convs[i]!;
    return { weight: w.tensor('weight', [nOut, nIn, KERNEL]), bias: w.tensor('bias', [nOut]), stride };
  }),
  lstm: {
    ofInput: w.tensor('lstm.weight_ih', [4 * h.nEmbd, h.nEmbd]),
    ofHidden: w.tensor('lstm.weight_hh', [4 * h.nEmbd, h.nEmbd]),
    inputBias: w.tensor('lstm.bias_ih', [4 * h.nEmbd]),
    hiddenBias: w.tensor('lstm.bias_hh', [4 * h.nEmbd]),
  },
  output: w.linear('output', h.nEmbd, 1),
});

export type SileroWeights = ReturnType<typeof weights>;

const detector = (g: GraphBuilder, { h, w }: { readonly h: SileroHparams; readonly w: SileroWeights }) => {
  const chunks = g.input('chunks', 'f32', ['T', 1, h.nWindow]);
  const state = { hidden: g.input('hidden', 'f32', [1, 1, h.nEmbd]), cell: g.input('cell', 'f32', [1, 1, h.nEmbd]) };
  const waves = conv(g, reflect(g, chunks, PAD), w.stft, { stride: HOP, pad: 0 }); // [T, 2 nBin, 4]
  const [re, im] = [slice(g, waves, 1, 0, N_BIN), slice(g, waves, 1, N_BIN, N_BIN)];
  let x = sqrt(g, add(g, mul(g, re, re), mul(g, im, im))); // [T, nBin, 4]
  w.convs.forEach(({ stride, ...layer }, il) => {
    x = g.scope(`encoder.${il}`, () => relu(g, conv(g, x, layer, { stride, pad: 1 })));
  });
  const first = transpose(g, slice(g, x, 2, 0, 1), [0, 2, 1]); // [T, 1, nEmbd]
  const { steps, hidden, cell } = lstm(g, first, w.lstm, state);
  g.output('speech', sigmoid(g, linear(g, relu(g, steps), w.output))); // [T, 1, 1]
  g.output('hidden_next', hidden);
  g.output('cell_next', cell);
};

/** Whether somebody speaks. */
export const silero = define({ arch: 'silero-vad', hparams, weights, graphs: { detector } });
