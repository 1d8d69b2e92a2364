/** The detector of speech of `grafo whisper --vad`: one model for all recordings, on the CPU, where it is quick. */
import { UserError } from '../errors.ts';
import { GraphBuilder } from '../graph/builder.ts';
import type { Session } from '../graph/device/session.ts';
import { openSession } from '../graph/device/session.ts';
import { Hparams } from '../graph/hparams.ts';
import { lower } from '../graph/lower/lower.ts';
import { Weights } from '../graph/weights.ts';
import type { Listen } from '../io/audio/mel-windows.ts';
import { openSilero } from '../io/ggml/silero.ts';
import { silero } from '../models/silero.ts';
import { speechProbabilities } from '../models/vad/detector.ts';
import type { SpeechOptions } from '../models/vad/speech.ts';
import { speechSpans } from '../models/vad/speech.ts';
import type { Timeline } from '../models/vad/timeline.ts';
import { joinedSpeech, joinSpeech } from '../models/vad/timeline.ts';
import { findDevice } from './devices.ts';
import { cacheFolder } from './options.ts';

export interface VadOptions extends SpeechOptions {
  /** What is kept after each part but the last, in seconds. */
  readonly overlapS: number;
}

/** A recording without its silence. */
export interface SpeechOnly {
  readonly listen: Listen;
  /** The way back to the recording's times. */
  readonly timeline: Timeline;
  /** Of the whole recording, at 16 kHz. */
  readonly nSample: number;
}

export interface Vad {
  /** Hears a recording to its end and finds the speech in it. */
  speechIn(listen: Listen, options: VadOptions): Promise<SpeechOnly>;
  close(): Promise<void>;
}

/**
 * Opens Silero's model as whisper.cpp has it.
 * @throws UserError 'file' or 'model'
 */
export const openVad = async (path: string, threads: number): Promise<Vad> => {
  const file = await openSilero(path);
  let session: Session;
  let nEmbd: number;
  try {
    const h = silero.hparams(new Hparams(file.metadata, silero.arch));
    const weights = new Weights(file);
    const g = new GraphBuilder('detector');
    silero.graphs.detector(g, { h, w: silero.weights(weights, h) });
    const [unclaimed] = weights.unclaimed();
    if (unclaimed !== undefined) throw new UserError('model', `'${path}': tensor '${unclaimed}' is not Silero's`);
    const { device } = await findDevice({ kind: 'named', provider: 'cpu', index: 0 }, 0);
    const program = lower(g.build(), { provider: 'cpu', compute: 'f32', fused: true }, {});
    session = await openSession(program, device, { threads, cacheFolder: cacheFolder() });
    nEmbd = h.nEmbd;
  } finally {
    await file.close();
  }
  return {
    async speechIn(listen, options) {
      let nSample = 0;
      const counted = async function* () {
        for await (const part of listen()) {
          nSample += part.length;
          yield part;
        }
      };
      const probabilities: number[] = [];
      for await (const part of speechProbabilities(session, nEmbd, counted())) probabilities.push(...part);
      const overlap = Math.trunc(16_000 * options.overlapS);
      const timeline = joinSpeech(speechSpans(probabilities, options), nSample, overlap);
      return { listen: () => joinedSpeech(listen(), timeline), timeline, nSample };
    },
    close: () => session.close(),
  };
};
