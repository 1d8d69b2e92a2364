/** Segments as they are printed while a recording is heard: whisper-cli's lines. */
import { clock } from './clock.ts';
import type { Segment, Token } from './segment.ts';
import { speakerOf } from './speaker.ts';

/** How a token's probability shows: not at all, by colour from red to green, or by style. */
export type Shading = 'none' | 'colours' | 'confidence';

export interface LiveOptions {
  readonly timestamps: boolean;
  readonly shading: Shading;
  /** Special tokens too, where tokens are shaded; elsewhere the text has them or not. */
  readonly special: boolean;
}

/** What is printed for one segment; without times all are one line, unless speakers are told apart. */
export const liveText = (s: Segment, { timestamps, shading, special }: LiveOptions): string => {
  const span = timestamps ? `[${clock(s.from, '.')} --> ${clock(s.to, '.')}]  ` : '';
  const who = speakerOf(s);
  const shown = s.tokens.filter((t) => special || !t.isSpecial);
  const text =
    shading === 'none' ? who + s.text : shown.map((t) => `${who}${shade(t, shading)}${t.text}\x1b[0m`).join('');
  const turn = s.isTurnNext ? ' [SPEAKER_TURN]' : '';
  return `${span}${text}${turn}${timestamps || s.speaker !== undefined ? '\n' : ''}`;
};

/** whisper.cpp's seven colours as the 256 of a terminal have them. */
const COLOURS = [160, 166, 208, 215, 227, 114, 71] as const;

const shade = ({ p }: Token, shading: Exclude<Shading, 'none'>): string => {
  if (shading === 'confidence') return p < 0.33 ? '\x1b[7m' : p < 0.66 ? '\x1b[4m' : '\x1b[2m';
  const i = Math.min(COLOURS.length - 1, Math.max(0, Math.floor(p ** 3 * COLOURS.length)));
  return `\x1b[38;5;${COLOURS[i]}m`;
};
