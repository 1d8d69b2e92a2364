/** When each token of a window was said, by what the decoder looks at when it is given the whole text again. */
import type { Head } from './alignment-heads.ts';
import { tokenPositions } from './dtw.ts';
import type { TaskOptions } from './prompt.ts';
import { taskTokens } from './prompt.ts';
import type { Segment } from './segments.ts';
import type { SpeechModel } from './speech-model.ts';

/** Which heads follow the sound. */
export interface AlignmentHeads {
  /** Heads in a layer of the decoder. */
  readonly nHead: number;
  readonly heads: readonly Head[];
}

export interface AlignOptions extends Omit<TaskOptions, 'withTimestamps'>, AlignmentHeads {
  /** Where the window begins, in frames of 10 ms, how many it has, and how many of them are sound. */
  readonly seek: number;
  readonly nWindowFrame: number;
  readonly nFrame: number;
}

/**
 * The segments of a window with the times of their words' tokens; special tokens have none.
 * @param model which has heard the window last
 */
export const aligned = async (
  model: Pick<SpeechModel, 'align'>,
  segments: readonly Segment[],
  o: AlignOptions,
): Promise<readonly Segment[]> => {
  const { special, seek } = o;
  const isSaid = ({ id }: { readonly id: number }): boolean => id < special.endOfText;
  const said = segments.flatMap(({ tokens }) => tokens.filter(isSaid));
  if (said.length === 0) return segments;

  // The row of the token before a word says where the decoder looked to write it.
  const lead = taskTokens({ ...o, withTimestamps: true });
  const tokens = [...lead, special.noTimestamps, ...said.map(({ id }) => id), special.endOfText];
  const looks = await model.align(tokens);
  const nCtx = o.nWindowFrame / 2;
  const positions = tokenPositions(
    o.heads.map(({ layer, head }) => looks[layer * o.nHead + head]).filter((x) => x !== undefined),
    { nToken: tokens.length, nCtx, nPosition: Math.min(nCtx, Math.ceil(o.nFrame / 2)), nLead: lead.length },
  );
  let next = 0;
  return segments.map((segment) => ({
    ...segment,
    tokens: segment.tokens.map((token) => {
      if (!isSaid(token)) return token;
      const [from, to] = [seek + 2 * positions[next]!, seek + 2 * positions[next + 1]!];
      next++;
      return { ...token, from, to, aligned: from };
    }),
  }));
};
