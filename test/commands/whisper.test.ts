import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import wavefile from 'wavefile';
import { whisperCommand } from '../../src/commands/whisper.ts';
import { fixture, scratch } from '../fixtures.ts';
import { plainFlac } from '../flac.ts';
import { sharedData } from '../shared-data.ts';
import { emptyFolder, joined, samplesOf, saveWav, silence, words, wordsModel } from './recordings.ts';
import { grafo, grafoFile, type RunOptions, run } from './run.ts';

// A recording of ten minutes goes through a model here.
vi.setConfig({ testTimeout: 300_000 });

const cli = sharedData('whisper', "whisper-cli's own recordings");

describe.skipIf(!cli)("whisper-cli's command lines", () => {
  const folder = emptyFolder('cli');
  const recorded = `${cli}/cli`;
  if (cli) {
    for (const file of ['whisper-micro-q4_0.bin', 'for-tests-silero-v6.2.0-ggml.bin']) {
      copyFileSync(join(cli, file), join(folder, file));
    }
    const jfk = samplesOf(fixture('audio/jfk.wav'));
    const quiet = (from: number, to: number) => jfk.map((x, i) => (i >= from && i < to ? Math.floor(x / 8) : x));
    copyFileSync(fixture('audio/jfk.wav'), join(folder, 'jfk.wav'));
    saveWav(join(folder, 'jfk-gap-jfk.wav'), [joined(jfk, silence(5), jfk)]);
    saveWav(join(folder, 'jfk-x4.wav'), [joined(jfk, jfk, jfk, jfk)]);
    saveWav(join(folder, 'jfk-stereo.wav'), [quiet(52_800, 128_000), quiet(0, 52_800)]);
  }
  const lines = cli ? readFileSync(join(recorded, 'commands.txt'), 'utf8').trim().split('\n') : [];
  const runs = lines.map((line) => {
    const [, name = '', args = '', exit = ''] = /^(\w+): (.*) \(exit (\d+)\)$/.exec(line) ?? [];
    // Where it exits with 0 after a wrong flag, and 2 for a missing file, grafo has codes of its own.
    const code = name === 'badarg' ? 2 : name === 'missing' ? 3 : Number(exit);
    return { name, args: args.split(' '), code };
  });
  const filesOf = (name: string) =>
    readdirSync(recorded).filter(
      (file) =>
        (file.startsWith(`${name}.`) || (name === 'two' && file.includes('.wav.'))) && !/std(err|out)/.test(file),
    );
  /** Probabilities differ in their last digits, and every program has its own words for the machine. */
  const comparable = (text: string) => text.replace(/"systeminfo": .*/, '').replace(/"p": [\d.e-]+/g, '"p"');

  it.each(runs)('$name: the same stdout and the same files', async ({ name, args, code }) => {
    const result = await grafo(['whisper', ...args], { cwd: folder });
    expect(result.code, result.stderr).toBe(code);
    expect(result.stdout).toBe(readFileSync(join(recorded, `${name}.stdout.txt`), 'utf8'));
    for (const file of filesOf(name)) {
      const ours = readFileSync(join(folder, file), 'utf8');
      expect(comparable(ours), file).toBe(comparable(readFileSync(join(recorded, file), 'utf8')));
      rmSync(join(folder, file));
    }
  });
});

describe.skipIf(!words)('Transcripts of recordings', () => {
  const text = ' Please turn off the heater in the bedroom.';
  const one = () => samplesOf(join(words!, 'one.wav'));
  const heard = async (args: readonly string[], options?: RunOptions): Promise<string> => {
    const { code, stdout, stderr } = await grafo(
      ['whisper', '-m', wordsModel('model-f16.bin'), '-nt', '-np', '-bs', '1', ...args],
      options,
    );
    expect(code, stderr).toBe(0);
    return stdout;
  };

  it.each([
    ['24 bits at 44.1 kHz, stereo', 44_100, '24', 2],
    ['32-bit floats at 48 kHz', 48_000, '32f', 1],
    ['8 bits at 22.05 kHz', 22_050, '8', 1],
  ] as const)('are the same from %s', async (_, rate, bits, nChannel) => {
    const wav = new wavefile.WaveFile();
    const mono = one();
    wav.fromScratch(nChannel, 16_000, '16', nChannel === 1 ? mono : [mono, mono]);
    wav.toSampleRate(rate, { method: 'sinc' });
    wav.toBitDepth(bits);
    const path = join(scratch, `one-${rate}.wav`);
    writeFileSync(path, wav.toBuffer());
    expect(await heard([path])).toBe(`\n${text}`);
  });

  it('are the same from FLAC, MP3 and Ogg Vorbis', async () => {
    const flac = join(scratch, 'one.flac');
    writeFileSync(flac, plainFlac(one()));
    expect(await heard([flac, fixture('audio/one.mp3'), fixture('audio/one.ogg')])).toBe(`\n${text}`.repeat(3));
  });

  it('go through a pipe to grafo llama, as if they had been typed', async () => {
    const llama = ['llama', '-m', fixture('llama/gqa-q4_0.gguf'), '-st', '-q', '-n', '6', '--temp', '0'];
    const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');
    const whisper = ['whisper', '-m', wordsModel('model-f16.bin'), '-nt', '-np', join(words!, 'one.wav')];
    const program = quoted([process.execPath, grafoFile]);
    const piped = await run('sh', ['-c', `${program} ${quoted(whisper)} | ${program} ${quoted(llama)}`]);
    expect(piped.code, piped.stderr).toBe(0);
    expect(piped.stdout.length).toBeGreaterThan(5);
    expect(piped.stdout).toBe((await grafo(llama, { stdin: `\n${text}` })).stdout);
  });

  it('are the same from stdin, as a file and as samples without a header', async () => {
    expect(await heard(['-'], { stdin: readFileSync(join(words!, 'one.wav')) })).toBe(`\n${text}`);
    const samples = new Uint8Array(one().buffer);
    expect(await heard(['--input-format', 's16le', '-'], { stdin: samples })).toBe(`\n${text}`);
  });

  it('find a clip again and again in ten minutes', async () => {
    const noise = Int16Array.from({ length: 16_000 * 12 }, (_, i) => ((i * 7919) % 13) - 6);
    const parts: Int16Array[] = [];
    for (let i = 0; i < 30; i++) parts.push(silence(2), one(), silence(2), noise);
    const all = joined(...parts);
    expect(all.length / 16_000).toBeGreaterThan(580);
    const path = saveWav(join(scratch, 'ten-minutes.wav'), [all]);
    const { code, stdout, stderr } = await grafo([
      ...['whisper', '-m', wordsModel('model-f16.bin'), '-np', '-bs', '1', '--vad', '-vm', silero, path],
    ]);
    expect(code, stderr).toBe(0);
    // So small a model misses some after long silences; whisper-cli finds as many with it.
    expect(stdout.split('\n').filter((line) => line.includes('turn off the heater')).length).toBeGreaterThanOrEqual(25);
  });
  const silero = cli ? join(cli, 'for-tests-silero-v6.2.0-ggml.bin') : '';

  it('have the times of words, within the segments and in order', async () => {
    const folder = emptyFolder('word-times');
    const args = ['--word-timestamps', '-oj', '-of', join(folder, 'four'), join(words!, 'four.wav')];
    await heard(args.filter((arg) => arg !== '-nt'));
    const { code } = await grafo(['whisper', '-m', wordsModel('model-f16.bin'), '-np', ...args]);
    expect(code).toBe(0);
    const { transcription } = JSON.parse(readFileSync(join(folder, 'four.json'), 'utf8'));
    const [first] = transcription;
    expect(first.words.map((w: { word: string }) => w.word)).toEqual([
      ' The',
      ' open',
      ' cup',
      ' is',
      ' on',
      ' the',
      ' bed.',
    ]);
    const times = first.words.flatMap(({ offsets }: { offsets: { from: number; to: number } }) => [
      offsets.from,
      offsets.to,
    ]);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    // It is said from 0.4 to 2.2 s.
    expect(Math.abs(times[0] - 400)).toBeLessThan(200);
    expect(Math.abs(times.at(-1) - 2200)).toBeLessThan(300);
  });
});

describe('a command line of grafo whisper is refused before anything is opened', () => {
  it.each([
    ['--output-dir out', '--output-dir needs a format'],
    ['--output-file out', '--output-file needs a format'],
    ['--output-file=-', '--output-file - and 0 formats'],
    ['--output-file=- --output-json --json', '--output-file - and --json'],
    ['--output-file a --output-file b --output-txt', '2 times --output-file, 1 times a recording'],
    ['--skip-existing', '--skip-existing needs a format'],
    ['--highlight-words --output-json', '--highlight-words needs subtitles'],
    ['--one-word --output-txt', '--one-word needs a format of cues'],
    ['--confidence --output-srt', '--confidence needs JSON'],
    ['--word-timestamps', '--word-timestamps needs JSON'],
  ])('with %s: %s', async (flags, message) => {
    const args = [import.meta.filename, ...flags.split(' ')];
    await expect(whisperCommand.run(args)).rejects.toMatchObject({ kind: 'usage', message });
  });
});

describe.skipIf(!words)('grafo whisper', () => {
  const model = () => wordsModel('model-f16.bin');
  const clip = (name: string) => join(words!, `${name}.wav`);
  const whisper = (...args: readonly string[]) => grafo(['whisper', '-m', model(), '-bs', '1', ...args]);

  it('does the other files when one fails, and says so', async () => {
    const { code, stdout, stderr } = await whisper('-np', join(scratch, 'missing.wav'), clip('one'));
    expect(code).toBe(7);
    expect(stdout).toContain('turn off the heater');
    expect(stderr).toMatch(
      /^grafo whisper: cannot read '.*missing\.wav': no such file.*\n.*1 of 2 recordings failed\n$/,
    );
  });

  it.each<readonly [title: string, args: readonly string[], code: number, message: RegExp]>([
    ['a file that is no audio', [import.meta.filename], 3, /no audio/],
    ['a longer audio context than the model has', ['-ac', '1501', import.meta.filename], 2, /--audio-ctx is 1501/],
    ['a language nobody speaks', ['-l', 'elvish', 'x.wav'], 2, /'elvish'/],
    ['two formats for stdout', ['-of', '-', '-otxt', '-osrt', import.meta.filename], 2, /--output-file -/],
    ['voice activity without a model', ['--vad', import.meta.filename], 2, /--vad needs a model/],
    ['no recording', [], 2, /no recording/],
  ])('refuses %s', async (_, args, code, message) => {
    const result = await whisper(...args);
    expect(result.stderr.split('\n').at(-2) + result.stderr).toMatch(message);
    expect(result.code).toBe(code);
  });

  it('writes down a sentence as often as it is said', async () => {
    const sentence = samplesOf(clip('one')).subarray(4640, 47_840);
    const path = saveWav(join(scratch, 'again-and-again.wav'), [joined(...new Array<Int16Array>(6).fill(sentence))]);
    const { stdout, stderr } = await whisper(path);
    expect(stdout.match(/turn off the heater in the bedroom/gi), stderr).toHaveLength(6);
    expect(stderr).not.toContain('left out');
  });

  it('reads its arguments from a file, and writes what it thinks of each token', async () => {
    const folder = emptyFolder('arguments');
    const lines = ['-m', model(), '-bs', '1', '-np', '-ls', '-oall', '-of', join(folder, 'four'), clip('four'), ''];
    writeFileSync(join(folder, 'arguments.txt'), lines.join('\n'));
    const { code, stderr } = await grafo(['whisper', `@${join(folder, 'arguments.txt')}`]);
    expect(code, stderr).toBe(0);
    const { clips } = JSON.parse(readFileSync(join(words!, 'expected.json'), 'utf8'));
    const theirs: number[] = clips.four.models['model-f16.bin'].greedy.segments.flatMap(
      ({ tokens }: { tokens: [id: number, p: number][] }) => tokens.map(([, p]) => p),
    );
    const ours = readFileSync(join(folder, 'four.score.txt'), 'utf8').trimEnd().split('\n');
    expect(ours).toHaveLength(theirs.length);
    expect(ours[1]).toMatch(/^ open\t0\.999\d+$/);
    for (const [i, p] of theirs.entries()) expect(Math.abs(Number(ours[i]!.split('\t')[1]) - p)).toBeLessThan(0.03);
  });

  it('hears only the clips of a recording that it is asked for', async () => {
    const { stdout, code } = await whisper(
      '-np',
      '--clip-timestamps',
      '0,3.2,50.5,53.6',
      '--max-words',
      '4',
      clip('long'),
    );
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => line.slice(line.indexOf(']') + 1).trim())).toEqual([
      'I was born in',
      '1988.',
      'The number is 37.',
    ]);
    expect((await whisper('--clip-timestamps', '1,2', '-ot', '5', clip('long'))).code).toBe(2);
  });

  it('leaves out what is done already', async () => {
    const folder = emptyFolder('skip');
    copyFileSync(clip('one'), join(folder, 'one.wav'));
    copyFileSync(clip('late'), join(folder, 'late.wav'));
    expect((await whisper('-osrt', '-np', join(folder, 'one.wav'))).code).toBe(0);
    const { code, stdout, stderr } = await whisper('-osrt', '--skip-existing', folder);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('1 of 2 are done already');
    expect(stdout).not.toContain('heater');
    expect(readdirSync(folder).sort()).toEqual(['late.wav', 'late.wav.srt', 'one.wav', 'one.wav.srt']);
  });

  it('says nothing of silence, of one sample, and of a moment', async () => {
    const quiet = [silence(3), Int16Array.of(100), silence(0.05)].map((samples, i) =>
      saveWav(join(scratch, `quiet-${i}.wav`), [samples]),
    );
    const { code, stdout } = await whisper('-np', ...quiet);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  it('tells programs everything in one object', async () => {
    const { code, stdout } = await whisper('--json', '-q', clip('one'));
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ language: 'en', text: ' Please turn off the heater in the bedroom.' });
    expect(result.segments[0]).toMatchObject({ start: 0.28, end: 3, temperature: 0 });
    expect(result.segments[0].avg_logprob).toBeLessThan(0);
    expect(result.timings.real_time_factor).toBeGreaterThan(0);
  });

  it('hears the same with plain attention', async () => {
    const [fused, plain] = [await whisper('-np', clip('four')), await whisper('-np', '-nfa', clip('four'))];
    expect(plain.stdout).toBe(fused.stdout);
  });

  it('is guided by a prompt, and can be kept from words', async () => {
    const { stdout } = await whisper(
      '-np',
      '-nt',
      '--prompt',
      'good evening paul the cat is in the garden',
      clip('prompted'),
    );
    expect(stdout).toBe(stdout.toLowerCase());
    expect(stdout).not.toContain('.');
    expect((await whisper('-np', '-nt', '-sns', clip('music'))).stdout).not.toContain('[');
    expect((await whisper('-np', '-nt', '--suppress-regex', ' ?[Hh]eater', clip('one'))).stdout).not.toMatch(/heater/i);
  });
});
