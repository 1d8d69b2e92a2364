/** Segments whose tokens know when they were said, by what the decoder looks at when it is given their text. */
import { tokenPositions } from './dtw.ts';
import type { TaskOptions } from './prompt.ts';
import { taskTokens } from './prompt.ts';
import type { Segment } from './segments.ts';
import type { SpeechModel } from './speech-model.ts';

export interface AlignedOptions extends TaskOptions {
  /** Where the window begins, and how many of its frames were transcribed; frames of 10 ms. */
  readonly seek: number;
  readonly nHeard: number;
}

/** Frames of a position, at which the model looks. */
const FRAMES = 2;

/** All segments of the window that the model has heard. */
export const alignedSegments = async (
  model: Pick<SpeechModel, 'align'>,
  segments: readonly Segment[],
  o: AlignedOptions,
): Promise<readonly Segment[]> => {
  const { endOfText } = o.special;
  const text = segments.flatMap(({ tokens }) => tokens.map(({ id }) => id)).filter((id) => id < endOfText);
  const nPosition = Math.floor(o.nHeard / FRAMES);
  if (text.length === 0 || nPosition === 0) return segments;
  // The row of <|notimestamps|> looks for the first word, so it is not part of what leads to the text.
  const lead = taskTokens({ ...o, withTimestamps: true });
  const tokens = [...taskTokens({ ...o, withTimestamps: false }), ...text, endOfText];
  const { heads, nCtx } = await model.align(tokens);
  const positions = tokenPositions(heads, { nToken: tokens.length, nCtx, nPosition, nLead: lead.length });
  const timeOf = (i: number) => o.seek + FRAMES * (positions[i] ?? nPosition);
  let i = 0;
  return segments.map((segment) => ({
    ...segment,
    tokens: segment.tokens.map((token) => {
      if (token.id >= endOfText) return token;
      const [from, to] = [timeOf(i), timeOf(i + 1)];
      i++;
      return { ...token, from, to, aligned: to };
    }),
  }));
};
