/** Text that nobody said: what a model makes up in silence or in a loop, and how it is recognised. */

/**
 * What speaks against a segment: nothing is to be heard for so long a text; or it came again and again, which people do
 * too, so that only hearing it once more, without what came before, can tell.
 */
export type Suspicion = 'repeated' | 'silent';

/** A text, and when it is said to have been said, in frames of 10 ms. */
interface Said {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

export interface Guards {
  /**
   * What speaks against a segment, which is remembered either way.
   * @param seconds how long anything is to be heard between its beginning and its end
   */
  suspect(said: Said, seconds: number): Suspicion | undefined;
}

/** A text that came so often in a row, without a pause, is doubted when it comes once more. */
const REPEATS = 3;
/** Whoever says something again pauses longer, in frames. */
const PAUSE = 20;
/** Nobody says half as many characters in a second. */
const FASTEST = 100;

/** What keeps inventions out of a transcript: of each segment it says why it is suspect, where it is. */
export const createGuards = (): Guards => {
  let last: Said = { text: '', from: 0, to: 0 };
  let nRepeat = 0;
  return {
    suspect({ text: spelt, from, to }, seconds) {
      const text = spelt.trim();
      if (text === '') return undefined;
      nRepeat = text === last.text && from - last.to < PAUSE ? nRepeat + 1 : 0;
      last = { text, from, to };
      if (seconds < text.length / FASTEST) return 'silent';
      if (nRepeat < REPEATS) return undefined;
      nRepeat = 0;
      return 'repeated';
    },
  };
};

/** Whether two texts have half of their tokens in common: what is heard again may begin a word later. */
export const isAlike = (a: readonly number[], b: readonly number[]): boolean => {
  const rest = [...b];
  const common = a.filter((id) => {
    const i = rest.indexOf(id);
    if (i >= 0) rest.splice(i, 1);
    return i >= 0;
  });
  return 2 * common.length >= Math.max(a.length, b.length);
};

/** Brighter than the darkest place of a spectrogram by this much (0.2 powers of ten) is no digital silence. */
const FAINT = 0.05;

/**
 * Whether anything is to be heard in each frame of a spectrogram `[nMels, nFrame]`, as Whisper sees it: what is a
 * hundred million times weaker than the loudest is silence.
 */
export const audibleFrames = (mel: Float32Array, nFrame: number): boolean[] => {
  const most = new Float32Array(nFrame).fill(Number.NEGATIVE_INFINITY);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < mel.length; i++) {
    const value = mel[i]!;
    const frame = i % nFrame;
    if (value > most[frame]!) most[frame] = value;
    if (value < least) least = value;
  }
  return Array.from(most, (value) => value > least + FAINT);
};
