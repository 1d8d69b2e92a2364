/** What `grafo llama` and `grafo deepseek` do: chat, completion, and what they do instead of writing. */
import { UserError } from '../../errors.ts';
import { readText } from '../../io/plain-file.ts';
import type { ChatTemplate } from '../../io/text/chat.ts';
import { chatTemplate, findChatTemplate } from '../../io/text/chat.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import type { TextFamily } from '../../models/index.ts';
import { printDevices } from '../devices.ts';
import { dryRun } from '../dry-run.ts';
import { interruptible } from '../interrupts.ts';
import { modelPath } from '../model-source.ts';
import { onProcessor, placementOf } from '../placement.ts';
import { whilePreparing } from '../preparing.ts';
import { noticeUnless, write } from '../terminal.ts';
import { parseAdapter } from './adapters.ts';
import { readEscapes } from './escapes.ts';
import type { Input } from './input.ts';
import { promptIds, readInput, withoutNewline } from './input.ts';
import type { Job } from './job.ts';
import { prepareWriter } from './job.ts';
import { checkKept, withPromptCache } from './kept-context.ts';
import type { LogitsFile } from './logits-file.ts';
import { createLogitsFile } from './logits-file.ts';
import type { OpenOptions, SpeculationWish } from './open.ts';
import { openText, textMemory } from './open.ts';
import type { LlamaFlags } from './options.ts';
import { notesOnAccepted } from './options.ts';
import { createOutput } from './output.ts';
import { parseOverrides } from './override-kv.ts';
import { printPerplexity } from './perplexity.ts';
import { talk } from './talk.ts';
import { printTokens } from './tokens.ts';
import type { Listener } from './writer.ts';

/** Does what the flags of `grafo llama` or `grafo deepseek` ask for; gives the exit code. */
export const runText = async (flags: LlamaFlags, family: TextFamily): Promise<number> => {
  if (flags['list-devices']) {
    await printDevices(flags.json);
    return 0;
  }
  const notice = noticeUnless(flags.quiet);
  const options = openOptions(flags, family, notice);
  if (flags['dry-run']) return dryRun(flags, family, notice, (file) => textMemory(file, file.name, options));
  if (flags.tokenize !== undefined) {
    const text = flags.escape ? readEscapes(flags.tokenize) : flags.tokenize;
    await printTokens(await modelPath(flags, family, notice), text, flags.json);
    return 0;
  }
  for (const note of notesOnAccepted(flags)) notice(note);
  // Before the model, which may have to be downloaded: a mistake here costs no waiting.
  const measured = flags.perplexity === undefined ? undefined : withoutNewline(await readText(flags.perplexity));
  const input: Input = measured === undefined ? await readInput(flags) : { prompt: { kind: 'none' } };

  const path = await modelPath(flags, family, notice);
  return interruptible(async (interrupts) => {
    const model = await whilePreparing({ isQuiet: flags.quiet, signal: interrupts.signal, notice }, (hooks) =>
      openText(path, { ...options, ...hooks }),
    );
    try {
      if (measured === undefined) return await work({ flags, path, input, model, interrupts, notice });
      await printPerplexity(model, measured, { ...flags, signal: interrupts.signal });
      return 0;
    } finally {
      await model.close();
    }
  });
};

/** llama.cpp's tool measures in contexts of this length unless told otherwise. */
const PERPLEXITY_CTX = 512;

/** How the flags want a model opened. */
const openOptions = (flags: LlamaFlags, family: TextFamily, notice: (line: string) => void): OpenOptions => {
  const nTokenPerRun = flags['ubatch-size'];
  return {
    ...placementOf(flags, notice),
    ...(flags['n-gpu-layers'] === 'none' && { wish: onProcessor }),
    family,
    mla: flags.mla,
    speculation: speculationOf(flags),
    expertStats: flags['expert-stats'],
    overrides: new Map(flags['override-kv'].flatMap((text) => [...parseOverrides(text)])),
    rope: flags,
    adapters: flags.lora.map(parseAdapter),
    nCtx: flags.perplexity !== undefined && flags['ctx-size'] === 0 ? PERPLEXITY_CTX : flags['ctx-size'],
    ...(nTokenPerRun !== undefined && { nTokenPerRun: Math.min(nTokenPerRun, flags['batch-size']) }),
    detail: (line) => flags.verbose && notice(line),
  };
};

const speculationOf = (flags: LlamaFlags): SpeculationWish => {
  const kind = flags['spec-type'];
  if (kind !== 'ngram-simple') return { kind };
  return { kind, sizeN: flags['spec-ngram-size-n'], sizeM: flags['spec-ngram-size-m'] };
};

/** Chat or completion, and the exit code. */
const work = async (job: Job): Promise<number> => {
  const { flags, input, model, notice } = job;
  for (const warning of model.tokenizer.warnings) notice(warning);
  const template = chosenTemplate(job);
  if (input.messages && !template)
    throw new UserError('usage', 'messages need a chat template, which the file lacks', 'give --chat-template chatml');
  if (input.prompt.kind === 'none' && !template)
    throw new UserError('usage', 'no prompt', 'give one with -p, -f or a pipe; this model has no chat template');
  const saver = flags['save-logits'] ? await createLogitsFile(flags['save-logits'], model.decoder.nVocab) : undefined;
  try {
    return await (template ? talk(job, template, saver) : complete(job, saver));
  } finally {
    await saver?.close();
  }
};

/** The template to chat with; undefined for raw completion. */
const chosenTemplate = ({ flags, input, model, notice }: Job): ChatTemplate | undefined => {
  if (input.prompt.kind === 'ids' || flags.conversation === false) return undefined;
  if (input.template) return input.template;
  const own = findChatTemplate(model.metadata);
  if (own !== undefined) {
    if (flags.conversation === undefined) notice('chat, by the template in the file; -no-cnv goes on from the text');
    return chatTemplate(own);
  }
  if (!flags.conversation) return undefined;
  notice('the file has no chat template; chatml is used');
  return chatTemplate('chatml');
};

/** Raw completion: the prompt, then what the model makes of it. */
const complete = async (job: Job, saver: LogitsFile | undefined): Promise<number> => {
  const { flags, model, interrupts } = job;
  checkKept(flags, 'completion');
  const prompt = promptIds(job.input.prompt, model.tokenizer);
  const { writer, sampling } = prepareWriter(job, saver, flags['reasoning-format'] === 'deepseek');
  const output = await createOutput(job, sampling.seed);
  if (!flags.json && (flags['display-prompt'] ?? process.stdout.isTTY === true))
    await output.quote(echo(prompt, model.tokenizer, flags.special));
  const listener: Listener = { signal: interrupts.signal, hear: (piece) => output.write(piece), tell: job.notice };
  const written = await withPromptCache(job, writer, () => writer.write(prompt, listener));
  if (!flags.json) {
    if (written.finish === 'eog' && process.stdout.isTTY) await write(' [end of text]');
    if (process.stdout.isTTY || !written.text.endsWith('\n')) await write('\n');
  }
  await output.report(written);
  return written.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/** The prompt as it was given: without the token that begins texts, and the space that encoding put before it. */
const echo = (prompt: readonly number[], tokenizer: Tokenizer, special: boolean): string =>
  tokenizer.decode(!special && prompt[0] === tokenizer.bos ? prompt.slice(1) : prompt, { special });
