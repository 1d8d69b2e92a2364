/** Which parts of a recording are speech, by Silero's detector. */
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import { openSession } from '../../graph/device/session.ts';
import { lower } from '../../graph/lower/lower.ts';
import { SAMPLE_RATE } from '../../io/audio/mel.ts';
import type { Listen } from '../../io/audio/mel-windows.ts';
import { openSilero } from '../../io/ggml/silero.ts';
import { readModel } from '../../models/definition.ts';
import { silero } from '../../models/silero.ts';
import { speechProbabilities } from '../../models/vad/detector.ts';
import { defaultSpeech, speechSpans } from '../../models/vad/speech.ts';
import type { Timeline } from '../../models/vad/timeline.ts';
import { joinSpeech } from '../../models/vad/timeline.ts';
import { findDevice } from '../devices.ts';
import { detectorPath } from '../model-source.ts';
import { cacheFolder } from '../options.ts';
import { onProcessor } from '../placement.ts';
import type { WhisperFlags } from './options.ts';

export interface VoiceDetector {
  /** Hears a sound to its end: how its speech is joined, and its length. */
  hear(listen: Listen): Promise<{ readonly timeline: Timeline; readonly nSample: number }>;
  close(): Promise<void>;
}

/** The detector that the flags ask for, if any; it is small, and best on the CPU. */
export const openDetector = async (
  flags: WhisperFlags,
  notice: (line: string) => void,
): Promise<VoiceDetector | undefined> => {
  if (!flags.vad) return undefined;
  const named = flags['vad-model'];
  if (named === undefined)
    throw new UserError('usage', '--vad needs a model', "give Silero's with -vm FILE, or -vm silero-v6.2.0");
  const file = await openSilero(await detectorPath(named, flags, notice));
  try {
    const { h, w } = readModel(silero, file);
    const g = new GraphBuilder('detector');
    silero.graphs.detector(g, { h, w });
    const program = lower(g.build(), { provider: 'cpu', compute: 'f32', fused: true }, {});
    const { device } = await findDevice(onProcessor, 0);
    const session = await openSession(program, device, { threads: 1, cacheFolder: cacheFolder() });
    return {
      close: () => session.close(),
      async hear(listen) {
        const probabilities: number[] = [];
        let nSample = 0;
        const counted = async function* () {
          for await (const part of listen()) {
            nSample += part.length;
            yield part;
          }
        };
        for await (const some of speechProbabilities(session, h.nEmbd, counted())) probabilities.push(...some);
        const overlap = Math.trunc(flags['vad-samples-overlap'] * SAMPLE_RATE);
        return { timeline: joinSpeech(speechSpans(probabilities, speechOptions(flags)), nSample, overlap), nSample };
      },
    };
  } finally {
    await file.close();
  }
};

const speechOptions = (flags: WhisperFlags) => ({
  threshold: flags['vad-threshold'],
  minSpeechMs: flags['vad-min-speech-duration-ms'],
  minSilenceMs: flags['vad-min-silence-duration-ms'],
  maxSpeechS: flags['vad-max-speech-duration-s'] ?? defaultSpeech.maxSpeechS,
  speechPadMs: flags['vad-speech-pad-ms'],
});
