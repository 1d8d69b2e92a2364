/** The spectrogram of a sound of any length, a window at a time: what was heard before a window is forgotten. */
import type { Mel, MelBank } from './mel.ts';
import { HOP, LEAD, loudest, MelFrames, mirrored, normalise, SILENCE } from './mel.ts';
import { joined } from './sound.ts';

/** Samples at 16 kHz, one channel; every call hears them from the beginning. */
export type Listen = () => AsyncIterable<Float32Array>;

/** What must be known of a whole sound before its first window. */
export interface Loudness {
  readonly nSample: number;
  /** The largest log10 of any band's power, to which all levels are relative. */
  readonly most: number;
}

/** Frames measured at a time. */
const STEP = 500;
/** Samples that one frame sees beyond those of the next frame's start. */
const OVERLAP = 2 * LEAD - HOP;

/** Hears a sound once to its end, which takes no memory. */
export const measure = async (listen: Listen, bank: MelBank): Promise<Loudness> => {
  const frames = new MelFrames(bank);
  const ahead = new Ahead(listen());
  let most = SILENCE;
  for (let frame = 0; ; frame += STEP) {
    const sound = await ahead.take(frame * HOP, STEP * HOP + OVERLAP);
    most = Math.max(most, loudest(frames.logPower(sound, STEP)));
    if (ahead.end !== undefined && ahead.end <= (frame + STEP) * HOP) break;
  }
  return { nSample: await ahead.length(), most };
};

/** The mel spectrogram of a recording of any length, window by window. */
export class MelWindows {
  readonly loudness: Loudness;
  readonly #frames: MelFrames;
  readonly #ahead: Ahead;

  /** @param loudness of the same sound, as `measure` finds it */
  constructor(listen: Listen, bank: MelBank, loudness: Loudness) {
    this.loudness = loudness;
    this.#frames = new MelFrames(bank);
    this.#ahead = new Ahead(listen());
  }

  /** Frames that begin within the sound, as whisper.cpp counts them: seconds times 100. */
  get nFrame(): number {
    const { nSample } = this.loudness;
    return Math.max(0, 1 + Math.floor((nSample - LEAD) / HOP));
  }

  /**
   * The window of `nFrame` frames, `[nMels, nFrame]`, that begins at this frame; silent where the sound has ended.
   * @param frame never before the frame of an earlier call
   */
  async at(frame: number, nFrame: number): Promise<Mel> {
    const sound = await this.#ahead.take(frame * HOP, nFrame * HOP + OVERLAP);
    return normalise(this.#frames.logPower(sound, nFrame), this.loudness.most);
  }

  /** Lets go of the sound before its end. */
  close(): Promise<void> {
    return this.#ahead.close();
  }
}

/** The samples before and in a sound, which begins LEAD samples late: so frame f begins at HOP f. */
class Ahead {
  readonly #source: AsyncIterator<Float32Array>;
  #parts: Float32Array[] = [];
  /** Where the first part begins, and where the last one ends. */
  #from = 0;
  #to = 0;
  /** Where the sound ends, once it has. */
  end: number | undefined;

  constructor(source: AsyncIterable<Float32Array>) {
    this.#source = withLead(source)[Symbol.asyncIterator]();
  }

  /** `length` samples from `from` on, fewer where the sound ends; everything before is forgotten. */
  async take(from: number, length: number): Promise<Float32Array> {
    if (from < this.#from) throw new RangeError(`sample ${from} was forgotten; kept are those from ${this.#from} on`);
    while (this.#to < from + length && (await this.#more())) this.#forget(from);
    this.#forget(from);
    const out = new Float32Array(Math.min(length, Math.max(0, this.#to - from)));
    let at = this.#from;
    for (const part of this.#parts) {
      const inside = part.subarray(Math.max(0, from - at), from + length - at);
      out.set(inside, Math.max(0, at - from));
      at += part.length;
    }
    return out;
  }

  /** Hears what is left; the number of samples without those before the sound. */
  async length(): Promise<number> {
    while (await this.#more()) this.#forget(this.#to);
    return this.#to - LEAD;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done) {
      this.end = this.#to;
      return false;
    }
    this.#parts.push(value);
    this.#to += value.length;
    return true;
  }

  /** Parts that end before this sample are not needed any more. */
  #forget(before: number): void {
    while (this.#parts[0] && this.#from + this.#parts[0].length <= before) {
      this.#from += this.#parts[0].length;
      this.#parts.shift();
    }
  }
}

/** The sound with the mirror image of its beginning before it. */
async function* withLead(source: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array> {
  let start: Float32Array | undefined = new Float32Array(0);
  for await (const part of source) {
    if (!start) {
      yield part;
      continue;
    }
    start = joined(start, part);
    if (start.length > LEAD) {
      yield mirrored(start);
      yield start;
      start = undefined;
    }
  }
  if (start) {
    yield mirrored(start);
    yield start;
  }
}
