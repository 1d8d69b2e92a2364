/** A speech model under measurement: whisper-bench's parts and counts, and whole transcriptions. */
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Graph } from '../../graph/graph.ts';
import { cost } from '../../graph/graph.ts';
import { SAMPLE_RATE } from '../../io/audio/mel.ts';
import { openRecording } from '../../io/audio/recording.ts';
import { Interrupted } from '../../models/decoder.ts';
import { readModel } from '../../models/definition.ts';
import { createSpeechModel, encodeBy } from '../../models/transcribe/speech-model.ts';
import { whisper } from '../../models/whisper.ts';
import { normaliseArguments, parseArguments } from '../arguments.ts';
import { plainPlacement } from '../placement.ts';
import { runSizes } from '../run-sizes.ts';
import type { SpeechModelFile } from '../whisper/open.ts';
import { openSpeech, takesFusedKernels } from '../whisper/open.ts';
import { whisperOptions } from '../whisper/options.ts';
import { openTranscription } from '../whisper/recording.ts';
import { createStopwatch } from '../whisper/timings.ts';
import type { RecordingTest, SpeechTest } from './cases.ts';
import { noise } from './image-subject.ts';
import type { LoadOptions, Part } from './load.ts';
import { fetchedBytes, keptBytes, loadParts } from './load.ts';
import type { BenchModel } from './model.ts';
import type { Clock, Sample, Subject, TestFacts } from './subject.ts';
import { foreign } from './text-subject.ts';

/** whisper-bench's: tokens one by one; so many beams, so often; prompts of so many tokens, so often. */
const DECODE = 256;
const BEAMS = { nSequence: 5, n: 64 };
const PROMPT = { nToken: 256, n: 16 };

const names = ['conv', 'encoder', 'cross', 'decoder'] as const;

/** A Whisper to be measured. */
export const loadSpeech = async (model: BenchModel, options: LoadOptions): Promise<Subject> => {
  const { device, placement } = options;
  const { h, w } = readModel(whisper, model.source);
  const graphs = Object.fromEntries(
    names.map((name) => {
      const g = new GraphBuilder(name);
      whisper.graphs[name](g, { h, w });
      return [name, g.build()];
    }),
  ) as Record<(typeof names)[number], Graph>;
  const partOf = (name: (typeof names)[number]): Part => ({
    graph: graphs[name],
    sizes: name === 'decoder' ? { nCtx: h.text.nCtx, B: BEAMS.nSequence } : {},
    fused: placement.flashAttention !== 'off' && takesFusedKernels(name, device),
  });
  const compute = placement.compute === 'auto' ? 'block' : placement.compute;
  const parts = {
    conv: partOf('conv'),
    encoder: partOf('encoder'),
    cross: partOf('cross'),
    decoder: partOf('decoder'),
  };
  const { sessions, loaded, close } = await loadParts(model, parts, compute, options);
  const { conv, encoder, cross, decoder } = sessions;
  const alignment = () => Promise.reject(new Error('not measured'));
  const speech = createSpeechModel({ encode: encodeBy(conv, encoder), cross, decoder, alignment }, h);
  const mel = noise(h.nMels * 2 * h.audio.nCtx);
  await speech.hear(mel);
  const room = (n: number): number => Math.min(n, h.text.nCtx - 1);
  let transcriber: Promise<SpeechModelFile> | undefined;
  let nSecond = 0;

  const facts = ({ part }: SpeechTest): TestFacts => {
    const decoder = (tokens: number, past: number, seqs: number, times: number) => {
      const { flops, bytes } = cost(graphs.decoder, { ...runSizes(graphs.decoder, { tokens, past, seqs }) });
      return { flops: flops * times, bytes: bytes * times };
    };
    const sizes = runSizes(graphs.decoder, { tokens: 1, past: 0, seqs: 1 });
    const shared = {
      fetchedBytes: fetchedBytes(sessions.decoder.program, sizes),
      cacheBytes: keptBytes(sessions.decoder.program),
    };
    const steps = room(DECODE);
    switch (part) {
      case 'encode': {
        const all = [graphs.conv, graphs.encoder, graphs.cross].map((graph) =>
          cost(graph, runSizes(graph, { tokens: 1, past: 0, seqs: 1 })),
        );
        const sum = all.reduce((a, b) => ({ flops: a.flops + b.flops, bytes: a.bytes + b.bytes }));
        return { nUnit: 1, unit: 'window', cost: sum, cacheBytes: shared.cacheBytes };
      }
      case 'decode':
        return { nUnit: steps, unit: 'token', cost: decoder(1, Math.floor(steps / 2), 1, steps), ...shared };
      case 'batchd': {
        const n = room(BEAMS.n);
        return {
          nUnit: BEAMS.nSequence * n,
          unit: 'token',
          cost: decoder(1, Math.floor(n / 2), BEAMS.nSequence, n),
          ...shared,
        };
      }
      case 'prompt': {
        const n = room(PROMPT.nToken);
        return { nUnit: PROMPT.n * n, unit: 'token', cost: decoder(n, 0, 1, PROMPT.n), ...shared };
      }
    }
  };

  const times: Readonly<Record<SpeechTest['part'], number>> = {
    encode: 1,
    decode: room(DECODE),
    batchd: room(BEAMS.n),
    prompt: PROMPT.n,
  };
  const once: Readonly<Record<SpeechTest['part'], (i: number) => Promise<unknown>>> = {
    // A window that was just heard is not heard again.
    encode: () => speech.hear(mel.map((x) => x + Math.random())),
    decode: (i) => speech.step([[i]], i, [0]),
    batchd: (i) =>
      speech.step(
        Array.from({ length: BEAMS.nSequence }, (_, s) => [s + i]),
        i,
        [...new Array(BEAMS.nSequence).keys()],
      ),
    prompt: () => speech.step([Array.from({ length: room(PROMPT.nToken) }, (_, i) => i)], 0, [0]),
  };
  const run = async ({ part }: SpeechTest, clock: Clock, signal: AbortSignal): Promise<Sample> => {
    const begun = clock();
    const stepMs: number[] = [];
    let before = begun;
    for (let i = 0; i < times[part]; i++) {
      if (signal.aborted) throw new Interrupted();
      await once[part](i);
      const now = clock();
      stepMs.push(now - before);
      before = now;
    }
    return { ms: before - begun, stepMs: part === 'decode' || part === 'batchd' ? stepMs : [] };
  };

  const transcribed = async ({ path }: RecordingTest, clock: Clock, signal: AbortSignal): Promise<Sample> => {
    transcriber ??= openTranscriber(model, options);
    const file = await transcriber;
    // What was heard last would not be heard again.
    await file.model.hear(new Float32Array(h.nMels * 2 * h.audio.nCtx));
    const { values: flags } = await parseArguments(normaliseArguments([], whisperOptions), whisperOptions);
    const recording = await openRecording(path);
    try {
      const quiet = { signal, stopwatch: createStopwatch(), notice: () => undefined, progress: () => undefined };
      const begun = clock();
      const opened = await openTranscription(file, recording, { flags, ...quiet });
      try {
        for await (const _segment of opened.segments()) if (signal.aborted) throw new Interrupted();
        nSecond = opened.nSample / SAMPLE_RATE;
        return { ms: clock() - begun, stepMs: [] };
      } finally {
        await opened.close();
      }
    } finally {
      await recording.close();
    }
  };

  return {
    ...loaded,
    facts(test) {
      if (test.kind === 'recording') return { nUnit: nSecond, unit: 'second' };
      return test.kind === 'speech' ? facts(test) : foreign(test);
    },
    run: async (test, clock, signal) => {
      if (test.kind === 'recording') return transcribed(test, clock, signal);
      return test.kind === 'speech' ? run(test, clock, signal) : foreign(test);
    },
    apart: {},
    close: async () => {
      await close();
      await (await transcriber)?.close();
    },
  };
};

const openTranscriber = (
  { origin }: BenchModel,
  { device, placement, strictDevice }: LoadOptions,
): Promise<SpeechModelFile> => {
  if (origin.kind === 'shape')
    throw new UserError('usage', `-f needs words: shape '${origin.name}' has none`, 'give a model file with -m');
  return openSpeech(origin.name, {
    ...plainPlacement(placement.threads),
    wish: { kind: 'named', provider: device.provider, index: device.index },
    strictDevice,
    compute: placement.compute,
    fused: placement.flashAttention !== 'off',
    activations: placement.activations,
    cache: false,
    audioCtx: 0,
    nSequence: BEAMS.nSequence,
  });
};
