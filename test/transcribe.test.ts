/** Decoding of windows and whole sounds, with a model that says what the test wants. */
import { describe, expect, it } from 'vitest';
import { detectLanguage } from '../src/models/transcribe/detect-language.ts';
import { audibleFrames, createGuards, isAlike } from '../src/models/transcribe/guards.ts';
import { languageCode, languageCodes } from '../src/models/transcribe/languages.ts';
import { nonSpeechWords } from '../src/models/transcribe/non-speech.ts';
import { createPrompt, taskTokens } from '../src/models/transcribe/prompt.ts';
import type { SpeechStep, Strategy } from '../src/models/transcribe/search.ts';
import { search } from '../src/models/transcribe/search.ts';
import type { Segment } from '../src/models/transcribe/segments.ts';
import type { Sequence } from '../src/models/transcribe/sequence.ts';
import { emptySequence, extended, scoreOf } from '../src/models/transcribe/sequence.ts';
import { specialName, specialTokens } from '../src/models/transcribe/special-tokens.ts';
import type { SpeechModel } from '../src/models/transcribe/speech-model.ts';
import { tokenRules } from '../src/models/transcribe/token-rules.ts';
import { loudness, tokenTimes } from '../src/models/transcribe/token-times.ts';
import type { TranscribeOptions, TranscriptEvent } from '../src/models/transcribe/transcribe.ts';
import { transcribe } from '../src/models/transcribe/transcribe.ts';
import { wrapped } from '../src/models/transcribe/wrap.ts';

const N_VOCAB = 51_864;
const t = specialTokens(N_VOCAB);
const at = (seconds: number): number => t.firstTimestamp + Math.round(seconds * 50);

/** Logits of a model that is all but sure of these tokens, the first more than the others. */
const sure = (...ids: readonly number[]): Float32Array => {
  const logits = new Float32Array(N_VOCAB).fill(-20);
  ids.forEach((id, i) => {
    logits[id] = 10 - i;
  });
  return logits;
};

const rules = (over: Partial<Parameters<typeof tokenRules>[0]> = {}) =>
  tokenRules({
    special: t,
    withTimestamps: true,
    suppressed: [],
    blank: 220,
    speakerTurns: false,
    nFirstTimestamp: 51,
    ...over,
  });

const bounds = { nFrame: 3000, withTimestamps: true, maxTokens: 220 };

const token = (id: number, logProb = -0.1) => ({
  id,
  p: Math.exp(logProb),
  logProb,
  timestamp: { id: t.firstTimestamp, p: 0, sum: 0 },
});

const sequenceOf = (...ids: readonly number[]): Sequence =>
  ids.reduce((s, id) => extended(s, token(id), t, bounds), emptySequence);

describe('special tokens', () => {
  it.each([
    [
      51_864,
      { endOfText: 50_256, startOfTranscript: 50_257, translate: 50_357, noTimestamps: 50_362, firstTimestamp: 50_363 },
    ],
    [
      51_865,
      { endOfText: 50_257, startOfTranscript: 50_258, translate: 50_358, noTimestamps: 50_363, firstTimestamp: 50_364 },
    ],
    [
      51_866,
      { endOfText: 50_257, startOfTranscript: 50_258, translate: 50_359, noTimestamps: 50_364, firstTimestamp: 50_365 },
    ],
  ])('of %d words are where whisper.cpp has them', (nVocab, expected) => {
    expect(specialTokens(nVocab)).toMatchObject(expected);
  });

  it('count 99 languages, and 100 since Cantonese', () => {
    expect([...specialTokens(51_865).languages.keys()]).toEqual(languageCodes.slice(0, 99));
    expect(specialTokens(51_866).languages.get('yue')).toBe(50_259 + 99);
  });

  it('have the names that whisper.cpp prints', () => {
    const v3 = specialTokens(51_866);
    expect([50_257, 50_258, 50_261, 50_365, 50_530].map((id) => specialName(v3, id))).toEqual([
      '[_EOT_]',
      '[_SOT_]',
      '[_LANG_de]',
      '[_BEG_]',
      '[_TT_165]',
    ]);
  });

  it('languages are known by code and by name', () => {
    expect(['de', 'German', 'haitian creole', 'xx'].map(languageCode)).toEqual(['de', 'de', 'ht', undefined]);
  });
});

describe('rules of tokens', () => {
  const allowed = (sequence: Sequence, logits: Float32Array = new Float32Array(N_VOCAB)) => {
    const { logProbs } = rules()(logits, sequence, 0);
    return (id: number) => logProbs[id]! > Number.NEGATIVE_INFINITY;
  };

  it('begin a text with a timestamp up to one second', () => {
    const may = allowed(emptySequence);
    expect([at(0), at(1), at(1.02), t.endOfText, 220].map(may)).toEqual([true, true, false, false, false]);
  });

  it.each<readonly [title: string, said: readonly number[], expected: readonly boolean[]]>([
    ['a word after one timestamp', [at(0)], [true, false]],
    ['a timestamp or the end after a timestamp that closes', [at(0), 5, at(2)], [false, true]],
    ['a word after two timestamps', [at(0), 5, at(2), at(2)], [true, false]],
  ])('want %s', (_, said, expected) => {
    // A lone timestamp would be likelier than any word where all are alike.
    const logits = new Float32Array(N_VOCAB);
    logits[5] = 20;
    const may = allowed(sequenceOf(...said), logits);
    expect([may(5), may(at(3))]).toEqual(expected);
  });

  it('never let timestamps decrease', () => {
    const may = allowed(sequenceOf(at(0), 5, at(2)));
    expect([may(at(1.98)), may(at(2))]).toEqual([false, true]);
  });

  it('take a timestamp where all timestamps together are likelier than any word', () => {
    const logits = new Float32Array(N_VOCAB).fill(-20);
    logits.fill(1, at(2), at(3));
    logits[5] = 2;
    const { logProbs, timestamp } = rules()(logits, sequenceOf(at(0), 7), 0);
    expect(logProbs[5]).toBe(Number.NEGATIVE_INFINITY);
    expect(timestamp.sum).toBeGreaterThan(0.5);
  });

  it.each([
    t.noTimestamps,
    t.startOfTranscript,
    t.noSpeech,
    t.translate,
    t.transcribe,
    t.startOfPrevious,
    t.speakerTurn,
  ])('never say the special token %d', (id) => {
    expect(allowed(sequenceOf(at(0)), sure(id, 5))(id)).toBe(false);
  });

  it('forget timestamps where none are wanted, and what is suppressed', () => {
    const { logProbs } = rules({ withTimestamps: false, suppressed: [6] })(new Float32Array(N_VOCAB), emptySequence, 0);
    expect([logProbs[at(0)], logProbs[6]]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect(logProbs[5]).toBeCloseTo(-Math.log(N_VOCAB), 1);
  });

  it('know the words that stand for no speech', () => {
    const ids = new Map([
      ['[', 1],
      [' [', 2],
      [' -', 3],
      ['-', 4],
      [' a', 5],
    ]);
    expect(nonSpeechWords((text) => ids.get(text)).sort()).toEqual([1, 2, 3]);
  });
});

describe('sequences', () => {
  it('end at the end token, up to their last timestamp', () => {
    expect(sequenceOf(at(0), 5, 6, at(2), at(2), 7, t.endOfText)).toMatchObject({
      state: 'completed',
      nResult: 5,
      advance: 200,
    });
  });

  it('fail when they end without a timestamp before the sound does', () => {
    expect(extended({ ...sequenceOf(5) }, token(t.endOfText), t, { ...bounds, nFrame: 9000 }).state).toBe('failed');
    expect(extended(sequenceOf(5), token(t.endOfText), t, bounds)).toMatchObject({ state: 'completed', nResult: 2 });
  });

  it('fail when they fill a window without getting far', () => {
    const ids = [at(0), 5, at(2), ...new Array<number>(217).fill(6)];
    expect(sequenceOf(...ids, 6).state).toBe('failed');
  });

  it('repeating themselves have little entropy', () => {
    expect(scoreOf(sequenceOf(...new Array<number>(40).fill(5), at(20), t.endOfText)).entropy).toBeLessThan(0.2);
    const varied = Array.from({ length: 40 }, (_, i) => i);
    expect(scoreOf(sequenceOf(...varied, at(20), t.endOfText)).entropy).toBeGreaterThan(3);
  });
});

describe('the search', () => {
  /** A model whose next token depends on the whole text before it; it remembers texts as a cache does. */
  const branching = () => {
    const script = new Map<string, readonly (readonly [id: number, logit: number])[]>([
      [
        `${at(0)}`,
        [
          [10, 5],
          [20, 4.9],
        ],
      ],
      [
        `${at(0)},10`,
        [
          [11, 1],
          [12, 0.9],
          [13, 0.8],
        ],
      ],
      [`${at(0)},20`, [[21, 9]]],
      [`${at(0)},10,11`, [[at(2), 9]]],
      [`${at(0)},10,12`, [[at(2), 9]]],
      [`${at(0)},20,21`, [[at(3), 9]]],
    ]);
    let rows: number[][] = [];
    const calls: number[] = [];
    const step: SpeechStep = async (tokens, pos, parents) => {
      calls.push(tokens.length);
      rows = tokens.map((one, s) => [...(pos === 0 ? [] : rows[parents[s]!]!), ...one]);
      return rows.map((row) => {
        const said = row.slice(1).join(',');
        const logits = new Float32Array(N_VOCAB).fill(-20);
        for (const [id, logit] of script.get(said) ?? [[t.endOfText, 9]]) logits[id] = logit;
        return logits;
      });
    };
    return { step, calls };
  };
  const find = async (strategy: Strategy) => {
    const { step, calls } = branching();
    await step([[t.startOfTranscript]], 0, [0]);
    const found = await search(step, sure(at(0)), 1, {
      special: t,
      rules: rules(),
      bounds,
      strategy,
      check: () => undefined,
    });
    return { calls, found: found.map((s) => s.tokens.map(({ id }) => id)) };
  };

  it('takes the likeliest token at every step when greedy', async () => {
    expect((await find({ kind: 'greedy' })).found).toEqual([[at(0), 10, 11, at(2), t.endOfText]]);
  });

  it('of one beam is the greedy one', async () => {
    expect((await find({ kind: 'beam', width: 1 })).found).toEqual((await find({ kind: 'greedy' })).found);
  });

  it('of several beams finds what is likelier in the end, all beams in one step', async () => {
    const { found, calls } = await find({ kind: 'beam', width: 3 });
    expect(found[0]).toEqual([at(0), 20, 21, at(3), t.endOfText]);
    expect(found).toHaveLength(3);
    expect(Math.max(...calls)).toBe(3);
  });

  it('of patient beams ends with as many more texts, all beams followed until then', async () => {
    const { found, calls } = await find({ kind: 'beam', width: 2, patience: 1.5 });
    expect(found.map((ids) => ids.slice(1).join(' '))).toEqual([
      `20 21 ${at(3)} ${t.endOfText}`,
      `10 11 ${at(2)} ${t.endOfText}`,
      expect.any(String),
    ]);
    expect(calls.every((n) => n <= 2)).toBe(true);
    expect((await find({ kind: 'beam', width: 2, patience: 0.5 })).found).toHaveLength(1);
  });

  it('draws the same from the same random numbers', async () => {
    const random = () => [0.1, 0.9].map((x) => ({ next: () => x }));
    const [a, b] = [
      await find({ kind: 'draw', temperature: 1, random: random() }),
      await find({ kind: 'draw', temperature: 1, random: random() }),
    ];
    expect(a.found).toEqual(b.found);
    expect(a.found).toHaveLength(2);
    expect(a.found[0]).not.toEqual(a.found[1]);
  });
});

/** A model that says these texts, window after window, whatever it hears; it remembers what it was asked. */
const speaking = (...windows: readonly (readonly number[])[]) => {
  const prompts: number[][] = [];
  let window = -1;
  const model: SpeechModel = {
    hear: async () => void window++,
    align: () => Promise.reject(new Error('not asked for')),
    async step(tokens, pos) {
      if (pos === 0) prompts.push([...tokens[0]!]);
      const nPrompt = prompts.at(-1)!.length;
      const i = pos === 0 ? 0 : pos - nPrompt + 1;
      return tokens.map(() => sure(windows[window]?.[i] ?? t.endOfText));
    },
  };
  return { model, prompts };
};

const options = (over: Partial<TranscribeOptions> = {}): TranscribeOptions => ({
  special: t,
  rules: rules(),
  nWindowFrame: 3000,
  nTextCtx: 448,
  translate: false,
  withTimestamps: true,
  withSpecial: false,
  initialPrompt: [],
  carriesInitialPrompt: false,
  maxContext: Number.POSITIVE_INFINITY,
  clips: [{ from: 0, to: Number.POSITIVE_INFINITY, hearsOn: true }],
  aligned: false,
  guarded: false,
  signal: new AbortController().signal,
  textOf: (ids) => ids.join(' '),
  temperatures: [0],
  bestOf: 2,
  beamSize: 1,
  entropyThreshold: 2.4,
  logProbThreshold: -1,
  noSpeechThreshold: 0.6,
  seed: 0,
  ...over,
});

/** Sound everywhere, of this many seconds. */
const soundOf = (seconds: number) => {
  const asked: number[] = [];
  return {
    asked,
    nFrame: 100 * seconds,
    mel: async (from: number, n: number) => {
      asked.push(from);
      return Float32Array.from({ length: 2 * n }, (_, i) => (i < n ? 0 : 1));
    },
  };
};

const eventsOf = async (model: SpeechModel, seconds: number, over: Partial<TranscribeOptions> = {}) => {
  const sound = soundOf(seconds);
  const events: TranscriptEvent[] = [];
  for await (const event of transcribe(model, sound, options(over))) events.push(event);
  const segments = events.flatMap((event) =>
    event.kind === 'segment' ? [[event.segment.from, event.segment.to, event.segment.shown.join(' ')]] : [],
  );
  return { events, segments, asked: sound.asked };
};

describe('transcription', () => {
  it('goes on where the last window ended', async () => {
    const { model, prompts } = speaking(
      [at(0), 5, 6, at(20), at(21), 7, at(25), at(25), t.endOfText],
      [at(1), 8, at(4), t.endOfText],
    );
    const { segments, asked } = await eventsOf(model, 60);
    expect(asked.slice(0, 2)).toEqual([0, 2500]);
    expect(segments).toEqual([
      [0, 2000, '5 6'],
      [2100, 2500, '7'],
      [2600, 2900, '8'],
    ]);
    // What was said before comes before the start, timestamps and all.
    expect(prompts[1]).toEqual([
      t.startOfPrevious,
      at(0),
      5,
      6,
      at(20),
      at(21),
      7,
      at(25),
      at(25),
      t.startOfTranscript,
    ]);
  });

  it('takes a whole window as heard when its text ends with one timestamp', async () => {
    const { model } = speaking([at(0), 5, at(4), t.endOfText], [at(0), 6, at(2), t.endOfText]);
    expect((await eventsOf(model, 45)).asked).toEqual([0, 3000]);
  });

  it('without timestamps goes in steps of thirty seconds', async () => {
    const { model, prompts } = speaking([5, t.endOfText], [6, t.endOfText]);
    const { segments } = await eventsOf(model, 50, { withTimestamps: false, rules: rules({ withTimestamps: false }) });
    expect(segments).toEqual([
      [0, 3000, '5'],
      [3000, 6000, '6'],
    ]);
    expect(prompts[0]).toEqual([t.startOfTranscript, t.noTimestamps]);
  });

  it('hears only what it is asked to', async () => {
    const { model } = speaking([at(0), 5, at(4), t.endOfText], [at(0), 6, at(2), t.endOfText]);
    expect((await eventsOf(model, 60, { clips: [{ from: 500, to: 1500, hearsOn: true }] })).asked).toEqual([500]);
  });

  it('forgets what was said before a rest of less than five seconds', async () => {
    const { model, prompts } = speaking([at(0), 5, at(30), at(30), t.endOfText], [at(0), 6, at(2), t.endOfText]);
    await eventsOf(model, 34);
    expect(prompts[1]).toEqual([t.startOfTranscript]);
  });

  it('hears again, without what it has said, what it says for the fourth time', async () => {
    const [chant, other] = [at(0), at(0)].map((start, i) => [start, ...(i === 0 ? [5, 6] : [7]), at(2)]);
    const fourTimes = [0, 2, 4, 6].flatMap((s) => [at(s), 5, 6, at(s + 2)]);
    const first = [...fourTimes, at(8), 8, at(9), t.endOfText];
    const heardWith = async (...again: readonly number[]) => {
      const { model, prompts } = speaking(first, [...again, t.endOfText], [...again, t.endOfText]);
      const { events, segments, asked } = await eventsOf(model, 30, { guarded: true });
      const leftOut = events.flatMap((e) => (e.kind === 'left out' ? [[e.segment.from, e.why]] : []));
      return { texts: segments.map(([, , text]) => text), leftOut, asked: asked.slice(0, 2), prompt: prompts[1] };
    };
    const same = { asked: [0, 600], prompt: [t.startOfTranscript] };
    // Whoever chants says it again.
    expect(await heardWith(...chant!, at(2), 8, at(30))).toEqual({
      ...same,
      texts: ['5 6', '5 6', '5 6', '5 6', '8'],
      leftOut: [],
    });
    // What was only going round in circles is not there.
    expect(await heardWith(...other!, at(2), 8, at(30))).toEqual({
      ...same,
      texts: ['5 6', '5 6', '5 6', '7', '8'],
      leftOut: [[600, 'repeated']],
    });
  });

  it('hears clips one after the other, each with silence behind it', async () => {
    const { model, prompts } = speaking([at(0), 5, at(4), at(4), t.endOfText], [at(0), 6, at(2), t.endOfText]);
    const heard: Float32Array[] = [];
    const listening = { ...model, hear: (mel: Float32Array) => model.hear(heard[heard.push(mel) - 1]!) };
    const clips = [
      { from: 100, to: 500, hearsOn: false },
      { from: 2000, to: 2200, hearsOn: false },
    ];
    const { segments, asked, events } = await eventsOf(listening, 60, { clips });
    expect(asked).toEqual([100, 2000]);
    expect(segments).toEqual([
      [100, 500, '5'],
      [2000, 2200, '6'],
    ]);
    // Of two bands, the second is loud: for 400 frames, then not.
    expect([heard[0]?.[3399], heard[0]?.[3400], heard[1]?.[3199], heard[1]?.[3200]]).toEqual([1, 0, 1, 0]);
    expect(prompts[1]).toEqual([t.startOfPrevious, at(0), 5, at(4), t.startOfTranscript]);
    expect(events.at(-1)).toMatchObject({ kind: 'window', done: 600, total: 600 });
  });

  it('does not listen to less than a tenth of a second', async () => {
    expect((await eventsOf(speaking().model, 0.1)).events).toEqual([]);
  });

  it('tries again at higher temperatures what it cannot believe', async () => {
    const unsure = new Float32Array(N_VOCAB);
    const { model } = speaking();
    let tries = 0;
    const doubting: SpeechModel = {
      ...model,
      async step(tokens, pos) {
        if (pos === 0) tries++;
        return tokens.map(() => (tries > 2 ? sure(pos === 0 ? at(0) : pos === 1 ? 5 : at(30)) : unsure.slice()));
      },
    };
    const { events } = await eventsOf(doubting, 30, { temperatures: [0, 0.2, 0.4, 0.6] });
    const said = events.find((event) => event.kind === 'segment');
    expect(said?.kind === 'segment' && said.segment.temperature).toBe(0.4);
    expect(events.at(-1)).toMatchObject({ kind: 'window', fallbacks: { p: 2 } });
  });

  it('drops an uncertain text where nothing seems to be said', async () => {
    const { model } = speaking();
    const silent: SpeechModel = {
      ...model,
      async step(tokens, pos) {
        const logits = new Float32Array(N_VOCAB);
        if (pos === 0) logits[t.noSpeech] = 20;
        return tokens.map(() => logits.slice());
      },
    };
    expect((await eventsOf(silent, 10)).segments).toEqual([]);
  });

  it('stops when it is asked to', async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(eventsOf(speaking([at(0)]).model, 10, { signal: stop.signal })).rejects.toThrow('interrupted');
  });

  it('tells what is spoken, the likeliest first', async () => {
    const many = specialTokens(51_865);
    const logits = new Float32Array(51_865);
    logits[many.languages.get('fr')!] = 9;
    logits[many.languages.get('de')!] = 8;
    const languages = await detectLanguage({ step: async () => [logits] }, many);
    expect(languages.slice(0, 2).map(([code]) => code)).toEqual(['fr', 'de']);
    expect(languages.reduce((sum, [, p]) => sum + p, 0)).toBeCloseTo(1, 6);
  });
});

describe('prompts', () => {
  const task = [t.startOfTranscript];
  const promptOf = (over: Partial<Parameters<typeof createPrompt>[0]>) =>
    createPrompt({
      startOfPrevious: t.startOfPrevious,
      task,
      initial: [],
      carriesInitial: false,
      maxContext: 224,
      ...over,
    });

  it('are the task alone at first, and at high temperatures', () => {
    expect(promptOf({}).at(0)).toEqual(task);
    expect(promptOf({ initial: [1] }).at(0.4)).toEqual([t.startOfPrevious, 1, ...task]);
    expect(promptOf({ initial: [1] }).at(0.6)).toEqual(task);
  });

  it('keep the last tokens that fit', () => {
    expect(promptOf({ initial: [1, 2, 3, 4], maxContext: 3 }).at(0)).toEqual([t.startOfPrevious, 3, 4, ...task]);
    expect(promptOf({ initial: [1], maxContext: 0 }).at(0)).toEqual(task);
  });

  it('repeat a text that is to be carried, and what was said behind it', () => {
    const prompt = promptOf({ initial: [1, 2], carriesInitial: true });
    prompt.said(prompt.at(0), sequenceOf(at(0), 5, at(2), t.endOfText), false);
    expect(prompt.at(0)).toEqual([t.startOfPrevious, 1, 2, at(0), 5, at(2), ...task]);
  });

  it('name language and task to a model that knows several', () => {
    const many = specialTokens(51_865);
    const language = many.languages.get('de')!;
    expect(taskTokens({ special: many, language, translate: true, withTimestamps: false })).toEqual([
      many.startOfTranscript,
      language,
      many.translate,
      many.noTimestamps,
    ]);
  });
});

describe('guards', () => {
  it('suspect what was said three times before without a pause', () => {
    const said = (texts: readonly string[], pause: number) => {
      const guards = createGuards();
      return texts.map((text, i) => guards.suspect({ text, from: i * (200 + pause), to: i * (200 + pause) + 200 }, 2));
    };
    expect(said(['a', 'a', 'a', ' a', 'b'], 0)).toEqual([undefined, undefined, undefined, 'repeated', undefined]);
    // Once it has been doubted, and heard again, it may come as often again.
    expect(said(new Array(7).fill('a'), 0).flatMap((why, i) => (why ? [i] : []))).toEqual([3, 6]);
    expect(said(['a', 'a', 'a', 'a', 'a'], 30)).toEqual(new Array(5).fill(undefined));
  });

  it('take texts for the same that have half of their tokens in common', () => {
    expect(isAlike([1, 2, 3, 4], [2, 3, 4])).toBe(true);
    expect(isAlike([1, 1, 1, 1], [1])).toBe(false);
    expect(isAlike([5], [6])).toBe(false);
  });

  it('suspect what nobody can say so fast', () => {
    const guards = createGuards();
    expect(guards.suspect({ text: 'Thank you for watching.', from: 0, to: 300 }, 0.1)).toBe('silent');
    expect(guards.suspect({ text: 'Thank you for watching.', from: 0, to: 300 }, 1)).toBeUndefined();
    expect(guards.suspect({ text: '', from: 0, to: 300 }, 0)).toBeUndefined();
  });

  it('hear nothing where a spectrogram is as dark as it can be', () => {
    const mel = Float32Array.of(-1, 0.5, -1, -1, -1, -0.9);
    expect(audibleFrames(mel, 3)).toEqual([false, true, true]);
  });
});

describe('times of tokens', () => {
  const segment = (from: number, to: number, ids: readonly number[]): Segment => ({
    from,
    to,
    tokens: ids.map((id) => token(id)),
    shown: ids.filter((id) => id < t.endOfText),
    isTurn: false,
    noSpeechProb: 0,
    avgLogProb: 0,
    temperature: 0,
  });

  it('share a segment by how long words take to say, and follow each other', () => {
    const times = tokenTimes({
      special: t,
      threshold: 0.01,
      loudness: new Float32Array(),
      textOf: (id) => 'x'.repeat(id),
    });
    const { tokens } = times(segment(0, 300, [at(0), 1, 2, at(3)]));
    expect(tokens.map(({ from, to }) => [from, to])).toEqual([
      [0, 0],
      [0, 100],
      [100, 300],
      [300, 300],
    ]);
  });

  it('average the loudness around every sample', () => {
    const loud = loudness(Float32Array.from({ length: 200 }, (_, i) => (i % 2 ? 0.5 : -0.5)));
    expect(loud[100]).toBeCloseTo(0.5, 5);
    expect(loud[0]).toBeCloseTo((0.5 * 33) / 65, 5);
  });

  it('are where long segments are cut', () => {
    const words = segment(0, 300, [1, 2, 3]);
    const timed = { ...words, tokens: words.tokens.map((one, i) => ({ ...one, from: 100 * i, to: 100 * (i + 1) })) };
    const cut = (texts: readonly string[], atWords: boolean, maxWords = Number.POSITIVE_INFINITY) =>
      wrapped(timed, {
        maxLength: 4,
        maxWords,
        atWords,
        endOfText: t.endOfText,
        bytesOf: (id) => Buffer.from(texts[id - 1]!),
      }).map(({ from, to, shown }) => [from, to, shown.join('')]);
    expect(cut([' abc', 'de', ' f'], false)).toEqual([
      [0, 100, '1'],
      [100, 300, '23'],
    ]);
    expect(cut([' abc', 'de', ' f'], true)).toEqual([
      [0, 200, '12'],
      [200, 300, '3'],
    ]);
    expect(cut([' a', ' b', 'c'], false, 1)).toEqual([
      [0, 100, '1'],
      [100, 300, '23'],
    ]);
  });
});
