/** Encoders from outside: ONNX files that stand in for a speech model's own. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import type { GraphWish } from '../src/commands/graph/model.ts';
import { chooseGraph, withSource } from '../src/commands/graph/model.ts';
import { onnxOf } from '../src/commands/graph/stage.ts';
import type { OpenSpeechOptions } from '../src/commands/whisper/open.ts';
import { openSpeech, speechMemory } from '../src/commands/whisper/open.ts';
import { openWhisper } from '../src/io/whisper/open.ts';
import { grafo } from './commands/run.ts';
import { fixture, nmse, scratch } from './fixtures.ts';
import { onProcessor } from './open-options.ts';

vi.setConfig({ testTimeout: 60_000 });

const nano = fixture('whisper/whisper-nano-q4_0.bin');
const demo = fileURLToPath(new URL('../demo/', import.meta.url));

const plain: OpenSpeechOptions = {
  ...onProcessor,
  compute: 'f32',
  activations: 'f32',
  audioCtx: 0,
  nSequence: 1,
};

/** A part of whisper-nano as an ONNX file with its weights. */
const exported = async (part: string): Promise<string> => {
  const wish: GraphWish = {
    ...{ model: nano, offline: true, arch: undefined, shape: undefined, type: 'f16', part },
    ...{ mla: 'absorb', tokens: undefined, past: undefined, seqs: undefined },
  };
  const flags = { stage: 'onnx', 'flash-attn': 'on', compute: 'f32', 'with-weights': true } as const;
  const path = join(scratch, `${part}.onnx`);
  writeFileSync(path, await withSource(wish, (source) => onnxOf(chooseGraph(source, wish), flags), 'weights'));
  return path;
};

const saved = (name: string, content: string | Uint8Array): string => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
};

/** Logits of a first token about a sound that is noise. */
const logitsBy = async (o: OpenSpeechOptions): Promise<Float32Array> => {
  const { h, model, close } = await openSpeech(nano, o);
  try {
    await model.hear(Float32Array.from({ length: h.nMels * 2 * h.audio.nCtx }, (_, i) => Math.sin(i * i)));
    const [logits] = await model.step([[1]], 0, [0]);
    return logits!.slice();
  } finally {
    await close();
  }
};

describe('an encoder from outside', () => {
  it('that is the model itself, exported with its weights, gives the same logits', async () => {
    const own = await logitsBy(plain);
    const other = await logitsBy({ ...plain, encoder: await exported('conv+encoder') });
    expect(nmse(other, own)).toBeLessThan(1e-12);
    expect(own.some((x) => x !== own[0])).toBe(true);
  });

  it("counts in what memory is needed, and the model's own does not", async () => {
    const encoder = await exported('conv+encoder');
    const file = await openWhisper(nano);
    const weights = async (o: OpenSpeechOptions) => (await speechMemory(file, nano, o)).need.weights;
    // The file holds float32, as the model does with this setting (but for the gaps between its tensors).
    const [own, other] = [await weights(plain), await weights({ ...plain, encoder })];
    expect(Math.abs(other / own - 1)).toBeLessThan(0.1);
    const blocks = { ...plain, compute: 'block' } as const;
    const more = (await weights({ ...blocks, encoder })) - (await weights(blocks));
    // Half of the encoder are matrices, of which the model's own have 4 bits a weight instead of 32.
    expect(more).toBeGreaterThan(0.3 * statSync(encoder).size);
    await file.close();
  });

  const refusals: readonly (readonly [what: string, file: () => Promise<string>, kind: string, message: RegExp])[] = [
    ['does not exist', async () => join(scratch, 'none.onnx'), 'file', /^cannot read '.*none\.onnx': /],
    ['is text', async () => saved('text.onnx', 'an encoder'), 'model', /text\.onnx' is no ONNX file$/],
    ['is empty', async () => saved('empty.onnx', ''), 'model', /empty\.onnx' is no ONNX file$/],
    [
      'takes no spectrogram',
      () => exported('encoder'),
      'model',
      /takes \[W, 500, 64\], the model needs an encoder of \[1, 80, 1000\]$/,
    ],
    [
      'gives what no decoder listens to',
      () => exported('conv+encoder+cross'),
      'model',
      /gives \[W, 2, 500, 32\], the model needs an encoder of \[1, 500, 64\]$/,
    ],
    ['takes more than a spectrogram', () => exported('alignment'), 'model', /is no encoder: it takes tokens, pos/],
  ];

  it.each(refusals)('that %s is refused', async (_what, file, kind, message) => {
    const error: unknown = await openSpeech(nano, { ...plain, encoder: await file() }).catch((e: unknown) => e);
    expect(error).toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  it('of shorter windows is refused where the model listens to longer ones', async () => {
    const encoder = await exported('conv+encoder');
    const opened = openSpeech(nano, { ...plain, audioCtx: 250, encoder });
    await expect(opened).rejects.toThrow(/takes \[W, 80, 1000\], the model needs an encoder of \[1, 80, 500\]$/);
  });
});

describe('grafo whisper --encoder', () => {
  it('writes down what is said, by an encoder that graph-dump wrote', async () => {
    const [model, recording] = [`${demo}whisper.bin`, `${demo}samples/turn-on-the-office-fan.wav`];
    const encoder = join(scratch, 'demo.onnx');
    const part = ['--part', 'conv+encoder', '--with-weights', '-o', encoder];
    expect(await grafo(['graph-dump', '-m', model, ...part])).toMatchObject({ code: 0, stderr: '' });
    const { code, stdout } = await grafo(['whisper', '-m', model, recording, '-np', '-nt', '--encoder', encoder]);
    expect([code, stdout.trim()]).toEqual([0, 'Turn on the office fan.']);
  });

  it('ends with code 4 and a sentence for what is no encoder', async () => {
    const { code, stderr } = await grafo(['whisper', '-m', nano, '-np', '--encoder', nano, fixture('audio/jfk.wav')]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^grafo whisper: '.*' is no ONNX file\n.*--encoder takes an encoder as ONNX.*\n$/);
  });
});
