/** What `grafo llama` and `grafo deepseek` do: chat, completion, and what they do instead of writing. */
import { UserError } from '../errors.ts';
import { deviceId } from '../graph/device/device.ts';
import type { ChatMessage, ChatTemplate } from '../io/text/chat.ts';
import { chatTemplate, findChatTemplate } from '../io/text/chat.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import { Interrupted } from '../models/decoder.ts';
import type { TextFamily } from '../models/index.ts';
import type { ChatSession } from './chat.ts';
import { askOnce, converse, turn } from './chat.ts';
import { printDevices } from './devices.ts';
import { readEscapes } from './escapes.ts';
import { grammarConstraints } from './grammar.ts';
import { Interrupts } from './interrupts.ts';
import type { Input } from './llama-input.ts';
import { promptIds, readInput, withoutNewline } from './llama-input.ts';
import type { LlamaFlags } from './llama-options.ts';
import { notesOnAccepted } from './llama-options.ts';
import type { LogitsFile } from './logits-file.ts';
import { createLogitsFile, savingStep } from './logits-file.ts';
import { logprobLines, logprobsJson } from './logprobs.ts';
import { modelPath } from './model-source.ts';
import type { TextModelFile } from './open.ts';
import { openText } from './open.ts';
import { physicalCores } from './options.ts';
import { parseOverrides } from './override-kv.ts';
import { printPerplexity } from './perplexity.ts';
import { samplingOptions } from './sampling.ts';
import { hasColours, noticeUnless, onClosedPipe, progressLine, write, yellow } from './terminal.ts';
import { readText } from './text-file.ts';
import { createThoughtWriter } from './thoughts.ts';
import { shortTimings, timingsJson, timingsTable } from './timings.ts';
import { printTokens, tokenLines } from './tokens.ts';
import type { Writer, Written } from './writer.ts';
import { createWriter } from './writer.ts';

/** Does what the flags of `grafo llama` or `grafo deepseek` ask for; gives the exit code. */
export const runText = async (flags: LlamaFlags, family: TextFamily): Promise<number> => {
  if (flags['list-devices']) {
    await printDevices(flags.json);
    return 0;
  }
  const notice = noticeUnless(flags.quiet);
  const path = await modelPath(flags, family, notice);
  if (flags.tokenize !== undefined) {
    const text = flags.escape ? readEscapes(flags.tokenize) : flags.tokenize;
    await printTokens(path, text, flags.json);
    return 0;
  }
  for (const note of notesOnAccepted(flags)) notice(note);
  const measured = flags.perplexity === undefined ? undefined : withoutNewline(await readText(flags.perplexity));
  const input: Input = measured === undefined ? await readInput(flags) : { prompt: { kind: 'none' } };

  const interrupts = new Interrupts();
  onClosedPipe(() => interrupts.end(0));
  let model: TextModelFile | undefined;
  try {
    model = await openModel(path, flags, family, interrupts.signal, notice);
    if (measured === undefined) return await work({ flags, input, model, interrupts, notice });
    await printPerplexity(model, measured, { ...flags, signal: interrupts.signal });
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return interrupts.exitCode;
    throw error;
  } finally {
    interrupts.dispose();
    await model?.close();
  }
};

/** llama.cpp's tool measures in contexts of this length unless told otherwise. */
const PERPLEXITY_CTX = 512;

const openModel = async (
  path: string,
  flags: LlamaFlags,
  family: TextFamily,
  signal: AbortSignal,
  notice: (line: string) => void,
): Promise<TextModelFile> => {
  const nTokenPerRun = flags['ubatch-size'];
  const bar = progressLine('preparing weights');
  const say = (line: string): void => {
    bar.end();
    notice(line);
  };
  try {
    return await openText(path, {
      family,
      mla: flags.mla,
      speculation: flags['spec-type'],
      expertStats: flags['expert-stats'],
      overrides: new Map(flags['override-kv'].flatMap((text) => [...parseOverrides(text)])),
      wish: flags['n-gpu-layers'] === 'none' ? { kind: 'named', provider: 'cpu', index: 0 } : flags.device,
      strictDevice: flags['strict-device'],
      threads: flags.threads ?? physicalCores(),
      compute: flags.compute,
      fused: flags['flash-attn'] !== 'off',
      cache: flags.cache,
      nCtx: flags.perplexity !== undefined && flags['ctx-size'] === 0 ? PERPLEXITY_CTX : flags['ctx-size'],
      ...(nTokenPerRun !== undefined && { nTokenPerRun: Math.min(nTokenPerRun, flags['batch-size']) }),
      notice: say,
      detail: (line) => flags.verbose && say(line),
      progress: (done, total) => {
        if (signal.aborted) throw new Interrupted();
        if (!flags.quiet) bar.update(done, total);
      },
    });
  } finally {
    bar.end();
  }
};

interface Job {
  readonly flags: LlamaFlags;
  readonly input: Input;
  readonly model: TextModelFile;
  readonly interrupts: Interrupts;
  notice(line: string): void;
}

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
  const prompt = promptIds(job.input.prompt, model.tokenizer);
  const { writer, report } = createReportedWriter(job, saver, flags['reasoning-format'] === 'deepseek');
  if (!flags.json && (flags['display-prompt'] ?? process.stdout.isTTY === true)) {
    const text = echo(prompt, model.tokenizer, flags.special);
    await write(hasColours(flags.color) ? yellow(text) : text);
  }
  const written = await writer.write(prompt, interrupts.signal);
  if (!flags.json) {
    if (written.finish === 'eog' && process.stdout.isTTY) await write(' [end of text]');
    if (process.stdout.isTTY || !written.text.endsWith('\n')) await write('\n');
  }
  report(written);
  return written.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/** The prompt as it was given: without the token that begins texts, and the space that encoding put before it. */
const echo = (prompt: readonly number[], tokenizer: Tokenizer, special: boolean): string =>
  tokenizer.decode(!special && prompt[0] === tokenizer.bos ? prompt.slice(1) : prompt, { special });

/** Chat: as many turns as a person likes at a terminal, else one. */
const talk = async (job: Job, template: ChatTemplate, saver: LogitsFile | undefined): Promise<number> => {
  const { flags, input, model, interrupts } = job;
  const { writer, report } = createReportedWriter(job, saver, flags['reasoning-format'] !== 'none');
  const kwargs = flags['chat-template-kwargs'];
  const session: ChatSession = {
    template,
    tokenizer: model.tokenizer,
    ...(kwargs && { kwargs }),
    writer,
    interrupts,
    onAnswer: report,
  };
  const first = input.prompt.kind === 'text' ? input.prompt.text : undefined;
  const begun = (message: string | undefined): readonly ChatMessage[] => [
    ...(input.system === undefined ? [] : [{ role: 'system' as const, content: input.system }]),
    ...(message === undefined ? [] : [{ role: 'user' as const, content: message }]),
  ];
  if (input.messages) {
    const { written } = await turn(session, input.messages);
    return written.finish === 'interrupt' ? interrupts.exitCode : 0;
  }
  if (process.stdin.isTTY && !flags['single-turn'] && !flags.json) {
    await converse(session, begun(first));
    return interrupts.leaving ? interrupts.exitCode : 0;
  }
  const message = first ?? (await askOnce(interrupts));
  if (interrupts.leaving) return interrupts.exitCode;
  if (!message) throw new UserError('usage', 'the prompt is empty');
  const { written } = await turn(session, begun(message));
  return written.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/**
 * A writer as the flags want it, and a report of what it wrote: text goes to stdout as it comes, or JSON at the end.
 * @param splitsThoughts whether thoughts are told apart from the text
 */
const createReportedWriter = (
  { flags, input, model, notice }: Job,
  saver: LogitsFile | undefined,
  splitsThoughts: boolean,
): { readonly writer: Writer; report(written: Written): void } => {
  const { decoder, tokenizer, nCtx } = model;
  const sampling = samplingOptions(flags, model);
  notice(`seed ${sampling.seed}`);
  const show = createThoughtWriter({ shown: flags.thinking, hasColours: hasColours(flags.color) }, write);
  const stops = flags['reverse-prompt'].map((text) => (flags.escape ? readEscapes(text) : text));
  const writer = createWriter({
    step: saver ? savingStep(decoder, saver) : (model.speculation?.step ?? decoder.last),
    sampling,
    tokenizer,
    nCtx,
    loadMs: model.loadMs,
    stops: stops.filter((text) => text !== ''),
    ...(input.grammar && { constraint: grammarConstraints(input.grammar, tokenizer) }),
    nPredict: flags.predict,
    special: flags.special,
    ...(flags.logprobs !== undefined && { logprobs: flags.logprobs }),
    ...(splitsThoughts && { thoughts: { budget: flags['reasoning-budget'] } }),
    write: flags.json ? async () => undefined : (piece) => show.write(piece),
  });
  const shown: Writer = {
    write(prompt, signal) {
      if (flags['verbose-prompt']) process.stderr.write(tokenLines(prompt, tokenizer));
      show.begin();
      return writer.write(prompt, signal);
    },
  };
  const report = (written: Written): void => {
    if (flags.json) console.log(JSON.stringify(resultJson(written, sampling.seed, model)));
    else if (written.logprobs) notice(logprobLines(written.logprobs, tokenizer));
    for (const line of model.expertStats?.lines() ?? []) notice(line);
    if (model.speculation) {
      const { guessed, right } = model.speculation.count;
      notice(`guessed ${guessed} tokens ahead, ${right} of them right`);
    }
    if (written.finish === 'context') notice(`the context of ${nCtx} tokens is full; -c makes it longer`);
    notice(flags.perf ? timingsTable(written.timings) : shortTimings(written.timings));
  };
  return { writer: shown, report };
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
