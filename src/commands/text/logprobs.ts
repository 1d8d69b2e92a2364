/** `--logprobs`: how sure the model was of each token, and what else it thought of. */
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { ChoiceLogprobs, TokenLogprob } from '../../models/logprobs.ts';

type Texts = Pick<Tokenizer, 'text'>;

const tokenJson = ({ id, logprob }: TokenLogprob, tokenizer: Texts) => ({ id, piece: tokenizer.text(id), logprob });

/** One object for each token of the answer. */
export const logprobsJson = (choices: readonly ChoiceLogprobs[], tokenizer: Texts) =>
  choices.map(({ top, ...chosen }) => ({
    ...tokenJson(chosen, tokenizer),
    top: top.map((token) => tokenJson(token, tokenizer)),
  }));

/** ` -0.105 'the' | -0.105 'the', -2.410 'a'`, one line for each token. */
export const logprobLines = (choices: readonly ChoiceLogprobs[], tokenizer: Texts): string => {
  const token = ({ id, logprob }: TokenLogprob): string => `${logprob.toFixed(3)} '${tokenizer.text(id)}'`;
  const line = ({ top, ...chosen }: ChoiceLogprobs): string =>
    token(chosen).padStart(8) + (top.length > 0 ? ` | ${top.map(token).join(', ')}` : '');
  return choices.map(line).join('\n');
};
