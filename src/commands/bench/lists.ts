/** Values of a benchmark's flags as llama-bench takes them: lists, ranges and repeats of a flag, all multiplied out. */
import { UserError } from '../../errors.ts';

/** More steps than this are a slip of the finger. */
const MOST_STEPS = 1000;

/**
 * Whole numbers: `1,2`, `1-4` (every one), `0-512+128` (by adding), `128-1024*2` (by multiplying).
 * @throws UserError 'usage' for anything else
 */
export const wholeNumbers = (flag: string, texts: readonly string[], least: number): readonly number[] =>
  texts.flatMap((text) => text.split(',')).flatMap((part) => range(flag, part, least));

const range = (flag: string, text: string, least: number): readonly number[] => {
  const wrong = new UserError(
    'usage',
    `flag '${flag}' is '${text}', expected whole numbers, ${least} or more`,
    'lists and ranges are 1,2,4 and 1-4 and 0-512+128 and 128-1024*2',
  );
  const [, first, last, sign = '+', by = '1'] = /^(\d+)(?:-(\d+)(?:([+*])(\d+))?)?$/.exec(text.trim()) ?? [];
  const [from, to, step] = [Number(first), Number(last ?? first), Number(by)];
  const grows = sign === '+' ? step > 0 : step > 1 && from > 0;
  if (first === undefined || from < least || to < from || !grows) throw wrong;
  const values: number[] = [];
  for (let n = from; n <= to; n = sign === '+' ? n + step : n * step) {
    if (values.length === MOST_STEPS) throw wrong;
    values.push(n);
  }
  return values;
};

/** A prompt and the tokens after it: `512,128`, once for each time the flag is given. */
export const promptsAndTokens = (texts: readonly string[]): readonly (readonly [nPrompt: number, nGen: number])[] =>
  texts.map((text) => {
    const [, nPrompt, nGen] = /^(\d+),(\d+)$/.exec(text) ?? [];
    if (nPrompt === undefined || nGen === undefined)
      throw new UserError(
        'usage',
        `flag '-pg' is '${text}', expected a prompt's length and a number of tokens: 512,128`,
      );
    return [Number(nPrompt), Number(nGen)] as const;
  });

/** Words of a list, each as `read` understands it. */
export const words = <W>(texts: readonly string[], read: (text: string) => W): readonly W[] =>
  texts.flatMap((text) => text.split(',')).map((text) => read(text.trim()));
