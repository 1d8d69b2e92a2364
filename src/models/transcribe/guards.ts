/** Text that nobody said: what a model makes up in silence or in a loop, and how it is recognised. */
/** Why a segment was left out. */
export type Suspicion = 'repeated' | 'silent';

export interface Guards {
  /**
   * What speaks against a segment of this text, which is remembered either way.
   * @param seconds how long anything is to be heard between its beginning and its end
   */
  suspect(text: string, seconds: number): Suspicion | undefined;
}

/** A text that came so often in a row is not said once more. */
const REPEATS = 3;
/** Nobody says half as many characters in a second. */
const FASTEST = 100;

export const createGuards = (): Guards => {
  const earlier: string[] = [];
  return {
    suspect(said, seconds) {
      const text = said.trim();
      if (text === '') return undefined;
      const isRepeated = earlier.length === REPEATS && earlier.every((one) => one === text);
      earlier.push(text);
      if (earlier.length > REPEATS) earlier.shift();
      if (isRepeated) return 'repeated';
      return seconds < text.length / FASTEST ? 'silent' : undefined;
    },
  };
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
