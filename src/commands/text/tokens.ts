/** Tokens as llama.cpp's tools print them: an id and its text on each line. */
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import { readTokenizer } from '../../io/text/tokenizer.ts';
import { write } from '../terminal.ts';
import { withGguf } from './open.ts';

/** `     1 -> '<s>'`, one line for each token. */
export const tokenLines = (ids: readonly number[], tokenizer: Pick<Tokenizer, 'text'>): string =>
  ids.map((id) => `${String(id).padStart(6)} -> '${tokenizer.text(id)}'\n`).join('');

/** `--tokenize`: prints the tokens of a text; needs no more of the model than its header. */
export const printTokens = (path: string, text: string, asJson: boolean): Promise<void> =>
  withGguf(path, async (file) => {
    const tokenizer = readTokenizer(file.metadata);
    const ids = tokenizer.encode(text);
    const json = () => `${JSON.stringify({ ids, pieces: ids.map((id) => tokenizer.text(id)) })}\n`;
    await write(asJson ? json() : tokenLines(ids, tokenizer));
  });
