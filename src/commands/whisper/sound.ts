/** A recording as transcription needs it: windows of its spectrogram, how loud it begins, and who speaks on which side. */
import type { MelBank } from '../../io/audio/mel.ts';
import { HOP, SAMPLE_RATE } from '../../io/audio/mel.ts';
import type { Listen } from '../../io/audio/mel-windows.ts';
import { MelWindows, measure } from '../../io/audio/mel-windows.ts';
import type { Recording } from '../../io/audio/recording.ts';
import { joined } from '../../io/audio/sound.ts';
import type { Speaker } from '../../io/transcript/segment.ts';
import type { Sound } from '../../models/transcribe/transcribe.ts';

export interface OpenSound extends Sound {
  readonly nSample: number;
  close(): Promise<void>;
}

/** Hears a sound once to its end and opens it at its beginning. */
export const openSound = async (listen: Listen, bank: MelBank): Promise<OpenSound> => {
  const windows = new MelWindows(listen, bank, await measure(listen, bank));
  return {
    nFrame: windows.nFrame,
    nSample: windows.loudness.nSample,
    mel: async (from, n) => (await windows.at(from, n)).data,
    close: () => windows.close(),
  };
};

/** No segment is longer, and times of tokens are fitted to nothing later. */
const BEGINNING = 40 * SAMPLE_RATE;

/** The first samples of a sound. */
export const beginningOf = async (listen: Listen): Promise<Float32Array> => {
  const out = new Float32Array(BEGINNING);
  let n = 0;
  for await (const part of listen()) {
    const room = part.subarray(0, BEGINNING - n);
    out.set(room, n);
    n += room.length;
    if (n === BEGINNING) break;
  }
  return out.subarray(0, n);
};

/** Both sides of a stereo recording together, at the loudness of their sum: what whisper-cli hears with --diarize. */
export async function* bothSides(recording: Recording): AsyncGenerator<Float32Array> {
  for await (const [left, right] of recording.stereo()) yield left.map((x, i) => x + right[i]!);
}

/** One side is the speaker's if it is louder than the other by this. */
const LOUDER = 1.1;

/** Tells from a stereo recording which side speaks between two times, in milliseconds. */
export const speakers = async (recording: Recording): Promise<(from: number, to: number) => Speaker> => {
  const sides: [number[], number[]] = [[0], [0]];
  const pending: [Float32Array, Float32Array] = [new Float32Array(), new Float32Array()];
  const add = (side: 0 | 1, part: Float32Array): void => {
    const all = joined(pending[side], part);
    const whole = all.length - (all.length % HOP);
    const sums = sides[side];
    for (let at = 0; at < whole; at += HOP) {
      sums.push((sums.at(-1) ?? 0) + all.subarray(at, at + HOP).reduce((sum, x) => sum + Math.abs(x), 0));
    }
    pending[side] = all.slice(whole);
  };
  for await (const [left, right] of recording.stereo()) {
    add(0, left);
    add(1, right);
  }
  const energy = (sums: readonly number[], from: number, to: number): number => {
    const at = (ms: number) => sums[Math.max(0, Math.min(Math.floor(ms / 10), sums.length - 1))] ?? 0;
    return at(to) - at(from);
  };
  return (from, to) => {
    const [left, right] = [energy(sides[0], from, to), energy(sides[1], from, to)];
    if (left > LOUDER * right) return '0';
    return right > LOUDER * left ? '1' : '?';
  };
};
