/** Who speaks, as whisper-cli writes it. */
import type { Segment } from './segment.ts';

/** '(speaker 0)', or nothing where speakers are not told apart. */
export const speakerOf = ({ speaker }: Pick<Segment, 'speaker'>): string =>
  speaker === undefined ? '' : `(speaker ${speaker})`;
