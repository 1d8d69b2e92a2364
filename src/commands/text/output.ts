/** What is told of an answer: text on stdout as it comes and a report on stderr, or one JSON object. */
import { deviceId } from '../../graph/device/device.ts';
import type { AnswerOutput } from '../chat/lines.ts';
import { hasColours, write, yellow } from '../terminal.ts';
import type { Job } from './job.ts';
import { logprobLines, logprobsJson } from './logprobs.ts';
import type { TextModelFile } from './open.ts';
import { createThoughtWriter } from './thoughts.ts';
import { shortTimings, timingsJson, timingsTable } from './timings.ts';
import type { Written } from './writer.ts';

/** Where an answer goes, and what it goes on from. */
export interface TextOutput extends AnswerOutput {
  /** Writes what the user gave, where the answer goes on from it. */
  quote(text: string): Promise<void>;
}

/** An answer on stdout as the flags want it, its report behind it. */
export const createOutput = async ({ flags, model, notice }: Job, seed: number): Promise<TextOutput> => {
  const isColoured = hasColours(flags.color);
  const put = await resultWriter();
  const show = createThoughtWriter({ shown: flags.thinking, hasColours: isColoured }, put);
  return {
    begin: () => show.begin(),
    tell: notice,
    quote: (text) => put(isColoured ? yellow(text) : text),
    write: flags.json ? async () => undefined : (piece) => show.write(piece),
    async report(written) {
      if (flags.json) await write(`${JSON.stringify(resultJson(written, seed, model))}\n`);
      else if (written.logprobs) notice(logprobLines(written.logprobs, model.tokenizer));
      for (const line of remarks(written, model)) notice(line);
      notice(flags.perf ? timingsTable(written.timings) : shortTimings(written.timings));
    },
  };
};

/** Writes to stdout; at a terminal in lines of whole words, which takes a module that nobody else should wait for. */
const resultWriter = async (): Promise<(text: string) => Promise<void>> => {
  const { stdout, env } = process;
  // Some terminals, such as those of programs that only look on, say that they have no columns at all.
  if (!stdout.isTTY || stdout.columns === 0 || env.TERM === 'dumb') return write;
  const { createWordWrap } = await import('../word-wrap.ts');
  const wrapped = createWordWrap(() => stdout.columns);
  return (text) => write(wrapped(text));
};

/** What else is to be said of an answer, line by line. */
export const remarks = (written: Written, { expertStats, speculation, nCtx }: TextModelFile): readonly string[] => {
  const lines = [...(expertStats?.lines() ?? [])];
  if (speculation) {
    const { guessed, right } = speculation.count;
    lines.push(`guessed ${guessed} tokens ahead, ${right} of them right`);
  }
  if (written.finish === 'context')
    lines.push(`the context of ${nCtx} tokens is full; -c makes it longer, --context-shift goes on`);
  return lines;
};

const resultJson = (written: Written, seed: number, model: TextModelFile) => ({
  text: written.text,
  ...(written.reasoning !== '' && { reasoning: written.reasoning }),
  ids: written.ids,
  ...(written.logprobs && { logprobs: logprobsJson(written.logprobs, model.tokenizer) }),
  finish: written.finish,
  prompt_tokens: written.promptTokens,
  seed,
  device: deviceId(model.device),
  compute: model.compute,
  threads: model.threads,
  context: model.nCtx,
  timings: timingsJson(written.timings),
  ...(model.speculation && { speculation: model.speculation.count }),
  ...(model.expertStats && { experts: model.expertStats.json() }),
});
