/**
 * Whisper's picture of sound, the log-mel spectrogram (Radford et al. 2022, section 2.2): frames of 25 ms every 10 ms,
 * their power in bands as wide as hearing tells apart, on a logarithmic scale.
 */
import { createFft } from './fft.ts';

/** What Whisper hears, in samples a second. */
export const SAMPLE_RATE = 16_000;
/** Samples in one frame. */
const FRAME = 400;
/** Samples from one frame to the next. */
export const HOP = 160;
/** Frequencies of one frame: from 0 to half the rate. */
const N_BIN = FRAME / 2 + 1;
/** Samples before the sound's first that its first frame sees; they mirror those after it. */
export const LEAD = FRAME / 2;
/** Frames of a window of 30 s. */
export const WINDOW_FRAMES = 3000;

const FLOOR = 1e-10;
/** The level of digital silence, below which nothing is. */
export const SILENCE = Math.log10(FLOOR);

/** Decades below the loudest value at which everything is equally quiet. */
const RANGE = 8;

/** Bands of frequencies, each a run of bins with weights. */
export interface MelBank {
  readonly nMels: number;
  readonly bands: readonly { readonly first: number; readonly weights: Float64Array }[];
}

/** A picture of sound: `data` is `[nMels, nFrame]`, frames innermost. */
export interface Mel {
  readonly nMels: number;
  readonly nFrame: number;
  readonly data: Float32Array;
}

/** The bank that a model's file holds: `filters` is `[nMels, 201]`. Zeros around each band are left out. */
export const melBank = (filters: Float32Array, nMels: number): MelBank => {
  if (filters.length !== nMels * N_BIN)
    throw new RangeError(`${filters.length} mel filter values, expected ${nMels} x ${N_BIN}`);
  const bands = Array.from({ length: nMels }, (_, m) => {
    const row = filters.subarray(m * N_BIN, (m + 1) * N_BIN);
    const last = row.findLastIndex((w) => w !== 0);
    const first = last < 0 ? 0 : row.findIndex((w) => w !== 0);
    return { first, weights: Float64Array.from(row.subarray(first, last + 1)) };
  });
  return { nMels, bands };
};

/** Slaney's bank `[nMels, 201]`, as librosa makes it, for models whose files hold none: triangles of equal area. */
export const slaneyFilters = (nMels: number): Float32Array => {
  const top = hzToMel(SAMPLE_RATE / 2);
  const edges = Array.from({ length: nMels + 2 }, (_, i) => melToHz((top * i) / (nMels + 1)));
  const filters = new Float32Array(nMels * N_BIN);
  for (let m = 0; m < nMels; m++) {
    const [low = 0, middle = 0, high = 0] = edges.slice(m, m + 3);
    for (let bin = 0; bin < N_BIN; bin++) {
      const hz = (bin * SAMPLE_RATE) / FRAME;
      const height = Math.min((hz - low) / (middle - low), (high - hz) / (high - middle));
      filters[m * N_BIN + bin] = (Math.max(0, height) * 2) / (high - low);
    }
  }
  return filters;
};

// Slaney's Auditory Toolbox: linear up to 1000 Hz (15 mels), then 27 mels for every factor of 6.4.
const LINEAR_HZ = 200 / 3;
const hzToMel = (hz: number): number => (hz < 1000 ? hz / LINEAR_HZ : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4));
const melToHz = (mel: number): number => (mel < 15 ? mel * LINEAR_HZ : 1000 * 6.4 ** ((mel - 15) / 27));

/** Turns samples into frames of one bank; keeps its working memory from call to call. */
export class MelFrames {
  readonly bank: MelBank;
  readonly #fft = createFft(FRAME);
  readonly #even = new Float64Array(N_BIN);
  readonly #odd = new Float64Array(N_BIN);

  constructor(bank: MelBank) {
    this.bank = bank;
  }

  /**
   * log10 of the power in every band, not below -10: `[nMels, nFrame]`.
   * @param sound samples of which frame f begins at 160 f; beyond the last there is silence
   */
  logPower(sound: Float32Array, nFrame: number): Mel {
    const { nMels } = this.bank;
    const data = new Float32Array(nMels * nFrame).fill(SILENCE);
    const nHeard = Math.min(nFrame, Math.ceil(sound.length / HOP));
    for (let frame = 0; frame < nHeard; frame += 2) {
      this.#powers(sound, frame * HOP);
      this.#bands(this.#even, data, frame, nFrame);
      if (frame + 1 < nFrame) this.#bands(this.#odd, data, frame + 1, nFrame);
    }
    return { nMels, nFrame, data };
  }

  /** The powers of two frames by one transform: the first as the real part, the second as the imaginary one. */
  #powers(sound: Float32Array, start: number): void {
    const end = start + FRAME + HOP;
    if (end <= sound.length) {
      this.#transform(sound, start);
    } else {
      const rest = new Float32Array(FRAME + HOP);
      rest.set(sound.subarray(start, end));
      this.#transform(rest, 0);
    }
  }

  #transform(sound: Float32Array, start: number): void {
    const { re, im } = this.#fft;
    for (let i = 0; i < FRAME; i++) {
      const w = HANN[i]!;
      re[i] = w * sound[start + i]!;
      im[i] = w * sound[start + HOP + i]!;
    }
    this.#fft.run();
    const even = this.#even;
    const odd = this.#odd;
    for (let k = 0; k < N_BIN; k++) {
      const mirror = k === 0 ? 0 : FRAME - k;
      const ar = re[k]! + re[mirror]!;
      const ai = im[k]! - im[mirror]!;
      const br = im[k]! + im[mirror]!;
      const bi = re[mirror]! - re[k]!;
      even[k] = (ar * ar + ai * ai) / 4;
      odd[k] = (br * br + bi * bi) / 4;
    }
  }

  #bands(powers: Float64Array, out: Float32Array, frame: number, nFrame: number): void {
    const { bands } = this.bank;
    for (let m = 0; m < bands.length; m++) {
      const { first, weights } = bands[m]!;
      let power = 0;
      for (let i = 0; i < weights.length; i++) power += weights[i]! * powers[first + i]!;
      out[m * nFrame + frame] = power > FLOOR ? Math.log10(power) : SILENCE;
    }
  }
}

/** Periodic: sample 400 would repeat sample 0. */
const HANN = Float64Array.from({ length: FRAME }, (_, i) => 0.5 * (1 - Math.cos((2 * Math.PI * i) / FRAME)));

/** The largest value of a picture. */
export const loudest = ({ data }: Mel): number => {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < data.length; i++) if (data[i]! > most) most = data[i]!;
  return most;
};

/** Levels below `most - 8` are raised to it and all are brought near ±1, in place: what the model was trained on. */
export const normalise = (mel: Mel, most: number): Mel => {
  const { data } = mel;
  const least = most - RANGE;
  for (let i = 0; i < data.length; i++) {
    data[i] = (Math.max(data[i]!, least) + 4) / 4;
  }
  return mel;
};

/** The samples that frame 0 sees before the sound: those after its first, mirrored. */
export const mirrored = (start: Float32Array): Float32Array =>
  Float32Array.from({ length: LEAD }, (_, i) => start[LEAD - i] ?? 0);

/**
 * The spectrogram of a whole sound and of the 30 s of silence that follow it, as OpenAI's `log_mel_spectrogram` makes
 * it: `[nMels, floor((n + 480000) / 160)]`.
 * @param samples 16 kHz, one channel
 */
export const logMel = (samples: Float32Array, bank: MelBank): Mel => {
  const sound = new Float32Array(LEAD + samples.length);
  sound.set(mirrored(samples));
  sound.set(samples, LEAD);
  const nFrame = Math.floor(samples.length / HOP) + WINDOW_FRAMES;
  const mel = new MelFrames(bank).logPower(sound, nFrame);
  return normalise(mel, loudest(mel));
};
