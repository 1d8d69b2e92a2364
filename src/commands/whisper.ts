/** `grafo whisper`: writes down what is said in recordings. */
import { UserError } from '../errors.ts';
import { SAMPLE_RATE } from '../io/audio/mel.ts';
import { openRecording } from '../io/audio/recording.ts';
import { liveText } from '../io/transcript/live.ts';
import type { Segment } from '../io/transcript/segment.ts';
import { Interrupted } from '../models/decoder.ts';
import { command } from './command.ts';
import { printDevices } from './devices.ts';
import { dryRun } from './dry-run.ts';
import type { Interrupts } from './interrupts.ts';
import { interruptible } from './interrupts.ts';
import { modelPath } from './model-source.ts';
import { onProcessor, placementOf } from './placement.ts';
import { expectNoStdin, tasksToDo } from './share.ts';
import { noticeUnless, progressLine, write } from './terminal.ts';
import { convertSpeechModel } from './whisper/convert.ts';
import type { Input } from './whisper/inputs.ts';
import { findInputs } from './whisper/inputs.ts';
import type { OpenSpeechOptions, SpeechModelFile } from './whisper/open.ts';
import { openSpeech, speechMemory } from './whisper/open.ts';
import type { WhisperFlags } from './whisper/options.ts';
import { whisperOptions } from './whisper/options.ts';
import { checkOutputs, writeOutputs } from './whisper/outputs.ts';
import { createProgress } from './whisper/progress.ts';
import type { Opened } from './whisper/recording.ts';
import { knowsNoTimestamps, openTranscription } from './whisper/recording.ts';
import { describeJob, describeLanguages, describeModel } from './whisper/report.ts';
import { resultJson, transcriptOf } from './whisper/result.ts';
import { createStopwatch, speechTimings, speechTimingsJson } from './whisper/timings.ts';
import type { VoiceDetector } from './whisper/vad.ts';
import { openDetector } from './whisper/vad.ts';

/** `grafo whisper`. */
export const whisperCommand = command({
  operands: 'FILE',
  options: whisperOptions,
  examples: [
    ['grafo whisper -m ggml-base.bin talk.wav', 'what is said, with times, as it is heard'],
    ['grafo whisper -m ggml-base.bin talk.mp3 -osrt -oj', 'subtitles and JSON beside the recording'],
    ['grafo whisper -m ggml-base.bin -l de -tr talk.wav', 'German speech in English'],
    ['grafo whisper -m ggml-base.bin talks/ -otxt --skip-existing', 'all of a folder but what is done'],
    ['grafo whisper -m ggml-base.bin talks/ -otxt --shard 0/4', 'the first of four equal shares of it'],
    ['grafo whisper -m ggml-base.bin q.wav -nt -np | grafo llama -m llama.gguf -st', 'ask by voice'],
    ['arecord -f S16_LE -r 16000 -d 9 | grafo whisper -m ggml-base.bin -', 'from a pipe'],
  ],
  async run(flags, words) {
    if (flags['list-devices']) {
      await printDevices(flags.json);
      return 0;
    }
    const notice = noticeUnless(flags.quiet || flags['no-prints']);
    if (flags['dry-run'])
      return dryRun(flags, 'whisper', notice, (file) => speechMemory(file, file.name, openOptions(flags, notice)));
    if (flags.convert !== undefined) {
      await convertSpeechModel(await modelPath(flags, 'whisper', notice), flags.convert, flags.type);
      return 0;
    }
    checkOutputs(flags);
    checkClips(flags);
    const named = [...flags.file, ...words];
    if (flags.shard) expectNoStdin(named);
    const all = await findInputs(named, flags);
    if (flags['compression-ratio-threshold'] !== undefined)
      notice('--compression-ratio-threshold has no effect: --entropy-thold tells what repeats itself');
    const inputs = await tasksToDo(all, flags, 'recordings', notice);
    if (inputs.length === 0) return 0;

    const path = await modelPath(flags, 'whisper', notice);
    return interruptible(async (interrupts) => {
      const detector = await openDetector(flags, notice);
      let file: SpeechModelFile | undefined;
      try {
        file = await openModel(path, flags, interrupts.signal, notice);
        const job = { flags, file, modelPath: path, interrupts, notice, ...(detector && { detector }) };
        return await transcribeAll(job, inputs);
      } finally {
        await detector?.close();
        await file?.close();
      }
    });
  },
});

/** Times of clips are the recording's, and so are theirs only where all of it is heard. */
const checkClips = (flags: WhisperFlags): void => {
  if (flags['clip-timestamps'] === undefined) return;
  const other = flags.vad ? '--vad' : flags['offset-t'] > 0 ? '--offset-t' : flags.duration > 0 ? '--duration' : '';
  if (other) throw new UserError('usage', `--clip-timestamps and ${other}`, 'choose one');
};

/** How the flags want a model opened. */
const openOptions = (flags: WhisperFlags, notice: (line: string) => void): OpenSpeechOptions => ({
  ...placementOf(flags, notice),
  ...(flags['no-gpu'] && { wish: onProcessor }),
  ...(flags['no-flash-attn'] && { fused: false }),
  audioCtx: flags['audio-ctx'],
  ...(flags.encoder !== undefined && { encoder: flags.encoder }),
  nSequence: Math.max(flags['best-of'], flags['beam-size']),
});

const openModel = async (
  path: string,
  flags: WhisperFlags,
  signal: AbortSignal,
  notice: (line: string) => void,
): Promise<SpeechModelFile> => {
  const bar = progressLine('preparing weights');
  try {
    return await openSpeech(path, {
      ...openOptions(flags, notice),
      progress: (done, total) => {
        if (signal.aborted) throw new Interrupted();
        if (!flags.quiet && !flags['no-prints']) bar.update(done, total);
      },
    });
  } finally {
    bar.end();
  }
};

interface Job {
  readonly flags: WhisperFlags;
  readonly file: SpeechModelFile;
  readonly modelPath: string;
  readonly detector?: VoiceDetector;
  readonly interrupts: Interrupts;
  notice(line: string): void;
}

/** One recording after the other; one that fails is told and passed over. */
const transcribeAll = async (job: Job, inputs: readonly Input[]): Promise<number> => {
  const { flags, file, notice } = job;
  notice(describeModel(file));
  if (knowsNoTimestamps(file) && !flags['no-timestamps']) notice('this distilled model knows no timestamps');
  if (!file.special.isMultilingual && (!['auto', 'en'].includes(flags.language ?? 'en') || flags.translate))
    notice('the model knows only English: --language and --translate have no effect');
  let failures = 0;
  for (const input of inputs) {
    try {
      await transcribeOne(job, input);
    } catch (error) {
      if (!(error instanceof UserError) || inputs.length === 1) throw error;
      failures++;
      process.stderr.write(`grafo whisper: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}\n`);
    }
  }
  if (failures > 0) throw new UserError('partial', `${failures} of ${inputs.length} recordings failed`);
  return 0;
};

const transcribeOne = async (job: Job, input: Input): Promise<void> => {
  const { flags, file, notice, interrupts } = job;
  const start = performance.now();
  const stopwatch = createStopwatch();
  const format = flags['input-format'];
  const pcm = format && { format, sampleRate: flags['sample-rate'], nChannel: flags.channels };
  const recording = await openRecording(input.path, pcm ? { pcm } : {});
  const progress = createProgress(recording.name, flags);
  let opened: Opened | undefined;
  try {
    opened = await openTranscription(file, recording, {
      flags,
      ...(job.detector && { detector: job.detector }),
      signal: interrupts.signal,
      stopwatch,
      notice: (line) => progress.beside(() => notice(line)),
      progress: progress.update,
    });
    if (opened.detected) notice(describeLanguages(opened.detected));
    if (flags['detect-language']) {
      if (flags.json) await write(`${JSON.stringify({ languages: Object.fromEntries(opened.detected ?? []) })}\n`);
      return;
    }
    notice(describeJob(recording.name, opened, flags, file));
    const { segments, fallbacks } = await printed(opened, progress.beside, input, flags);
    progress.end();
    const transcript = transcriptOf(segments, opened, job);
    await writeOutputs(transcript, input, opened.nSample, flags, notice);
    const timings = {
      loadMs: file.loadMs,
      totalMs: file.loadMs + performance.now() - start,
      seconds: opened.nSample / SAMPLE_RATE,
      fallbacks,
      stopwatch,
    };
    if (flags.json)
      await write(`${JSON.stringify({ ...resultJson(transcript, input), timings: speechTimingsJson(timings) })}\n`);
    notice(`\n${speechTimings(timings)}`);
  } finally {
    progress.end();
    await opened?.close();
    await recording.close();
  }
};

/** Prints segments as they come, and gives all of them. */
const printed = async (
  opened: Opened,
  beside: (print: () => void | Promise<void>) => void | Promise<void>,
  input: Input,
  flags: WhisperFlags,
) => {
  const options = {
    timestamps: !flags['no-timestamps'],
    shading: flags['print-colors'] ? 'colours' : flags['print-confidence'] ? 'confidence' : 'none',
    special: flags['print-special'],
  } as const;
  const isShown = input.output !== '-' && !flags.json;
  const segments: Segment[] = [];
  const events = opened.segments();
  for (;;) {
    const next = await events.next();
    if (next.done) return { segments, fallbacks: next.value };
    const first = segments.length === 0 ? '\n' : '';
    segments.push(next.value);
    if (isShown) await beside(() => write(first + liveText(next.value, options)));
  }
};
