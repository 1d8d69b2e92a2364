/** Whisper's graphs as one model: sound goes in once for each window, then text is decoded step by step. */
import type { HostTensor, Inputs, RunOptions } from '../../graph/device/engine.ts';
import type { WhisperHparams } from '../whisper.ts';
import type { SpeechStep } from './search.ts';

/** What a speech model needs of a session. */
export interface SpeechSession {
  run(inputs: Inputs, options?: RunOptions): Promise<Record<string, HostTensor>>;
  hold(inputs: Inputs): Promise<void>;
}

export interface SpeechModel {
  /** Listens to a window, `[nMels, 2 * nCtx]` of its spectrogram; later steps are about it. */
  hear(mel: Float32Array): Promise<void>;
  readonly step: SpeechStep;
  /**
   * How much each of these tokens, a whole text with its prompt, looks at each of the window's `nCtx` moments of 20 ms:
   * one array `[nToken, nCtx]` for each head that aligns text with sound.
   */
  align(tokens: readonly number[]): Promise<{ readonly heads: readonly Float32Array[]; readonly nCtx: number }>;
}

/** From a window's spectrogram, `mel`, to what is understood of it, `embd_enc`. */
export type Encode = (inputs: Inputs) => Promise<Inputs>;

/** By the model's own two graphs. */
export const encodeBy =
  (conv: SpeechSession, encoder: SpeechSession): Encode =>
  async (inputs) =>
    encoder.run(await conv.run(inputs));

export type SpeechSessions = Readonly<Record<'cross' | 'decoder', SpeechSession>> & {
  /** By the model, or by one from outside. */
  readonly encode: Encode;
  /** Opened when it is first asked for. */
  alignment(): Promise<SpeechSession>;
};

/** A model over sessions of the graphs of the same names. */
export const createSpeechModel = (sessions: SpeechSessions, h: WhisperHparams): SpeechModel => {
  let heard: Inputs = {};
  let last: Float32Array | undefined;
  return {
    async hear(mel) {
      // The language is told from the window that is then transcribed.
      if (last && mel.every((value, i) => value === last?.[i])) return;
      last = mel;
      const { encode, cross, decoder } = sessions;
      heard = await encode({ mel: { dtype: 'f32', dims: [1, h.nMels, 2 * h.audio.nCtx], data: mel } });
      await decoder.hold(await cross.run(heard));
    },
    async step(tokens, pos, parents) {
      const [nSeq, nToken] = [tokens.length, tokens[0]?.length ?? 0];
      const { logits } = await sessions.decoder.run(
        {
          tokens: i64([nSeq, nToken], tokens.flat()),
          pos: i64([nSeq, nToken], positions(nSeq, nToken, pos)),
          outIds: i64(
            [nSeq],
            tokens.map((_, s) => (s + 1) * nToken - 1),
          ),
        },
        { parents },
      );
      const data = logits?.data as Float32Array;
      return tokens.map((_, s) => data.subarray(s * h.nVocab, (s + 1) * h.nVocab));
    },
    async align(tokens) {
      const session = await sessions.alignment();
      const looks = await session.run({
        ...(await sessions.cross.run(heard)),
        tokens: i64([1, tokens.length], tokens),
        pos: i64([1, tokens.length], positions(1, tokens.length, 0)),
      });
      const { nCtx } = h.audio;
      const each = tokens.length * nCtx;
      const heads = Object.values(looks).flatMap(({ data, dims }) =>
        Array.from({ length: dims[1] ?? 0 }, (_, head) =>
          (data as Float32Array).subarray(head * each, (head + 1) * each),
        ),
      );
      return { heads, nCtx };
    },
  };
};

const positions = (nSeq: number, nToken: number, from: number): number[] =>
  Array.from({ length: nSeq * nToken }, (_, i) => from + (i % nToken));

const i64 = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: 'i64',
  dims,
  data: BigInt64Array.from(values, BigInt),
});
