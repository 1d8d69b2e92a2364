/** `grafo llama`: writes text with LLaMA and what is built like it. */
import { readFile } from 'node:fs/promises';
import { messageOf, UserError } from '../errors.ts';
import { deviceId } from '../graph/device/device.ts';
import type { ChatMessage } from '../io/text/chat.ts';
import { chatTemplate, findChatTemplate } from '../io/text/chat.ts';
import type { Tokenizer } from '../io/text/tokenizer.ts';
import { readTokenizer } from '../io/text/tokenizer.ts';
import { perplexity } from '../models/perplexity.ts';
import { createSampler } from '../models/sampling.ts';
import type { Answer } from './answer.ts';
import { answer } from './answer.ts';
import type { ChatSession } from './chat.ts';
import { converse, turn } from './chat.ts';
import type { Parsed } from './command.ts';
import { command } from './command.ts';
import { printDevices } from './devices.ts';
import { readEscapes } from './escapes.ts';
import { acceptedOnly, llamaOptions } from './llama-options.ts';
import type { LogitsFile } from './logits-file.ts';
import { createLogitsFile } from './logits-file.ts';
import type { TextModelFile } from './open.ts';
import { openText, withGguf } from './open.ts';
import { threadCount } from './options.ts';
import { samplingOptions } from './sampling.ts';
import { Interrupts, onClosedPipe, progressLine, readStdin, write } from './terminal.ts';
import type { Timings } from './timings.ts';
import { shortTimings, timingsJson, timingsTable } from './timings.ts';

type Flags = Parsed<typeof llamaOptions>;

export const llamaCommand = command({
  name: 'llama',
  describe: 'write text or chat with LLaMA, Mistral, Mixtral, Qwen2, Qwen3 and their kin',
  options: llamaOptions,
  examples: [
    ['llama -m model.gguf -p "Once upon a time" -n 100', 'go on from a text'],
    ['llama -m model.gguf', 'chat, if the file has a chat template'],
    ['llama -m model.gguf -sys "Answer briefly." -p "What is 2+2?" -st', 'one question, one answer'],
    ['cat notes.txt | grafo llama -m model.gguf -n 50', 'the prompt from a pipe'],
    ['llama -m model.gguf -p Hi --json | jq .text', 'for programs'],
    ['llama -m model.gguf --perplexity wiki.txt -c 512', 'measure a model'],
    ['llama --list-devices', 'what this machine can run on'],
  ],
  async run(flags) {
    if (flags['list-devices']) {
      await printDevices(flags.json);
      return 0;
    }
    if (flags.model === undefined) throw new UserError('usage', 'no model file', 'give one with -m model.gguf');
    const notice = (line: string): void => {
      if (!flags.quiet) process.stderr.write(`${line}\n`);
    };
    noteAcceptedOnly(flags, notice);
    if (flags.tokenize !== undefined) return printTokens(flags.model, flags.tokenize, flags);

    const input = await readInput(flags);
    const interrupts = new Interrupts();
    let pipeClosed = false;
    onClosedPipe(() => {
      pipeClosed = true;
      process.emit('SIGTERM');
    });
    const model = await open(flags.model, flags, notice);
    try {
      const code = await work({ flags, input, model, interrupts, notice });
      return pipeClosed ? 0 : code;
    } finally {
      interrupts.dispose();
      await model.close();
    }
  },
});

interface Job {
  readonly flags: Flags;
  readonly input: Input;
  readonly model: TextModelFile;
  readonly interrupts: Interrupts;
  notice(line: string): void;
}

const work = async (job: Job): Promise<number> => {
  const { flags, input, model, interrupts } = job;
  if (interrupts.signal.aborted) return interrupts.exitCode;
  if (input.perplexityText !== undefined) return printPerplexity(job, input.perplexityText);

  const templateText = await chosenTemplate(flags, model);
  const chatting = input.kind !== 'ids' && (flags.conversation ?? templateText !== undefined);
  if (input.kind === 'none' && !chatting)
    throw new UserError('usage', 'no prompt', 'give one with -p, -f or a pipe; this model has no chat template');

  const saver = flags['save-logits'] ? await createLogitsFile(flags['save-logits'], model.decoder.nVocab) : undefined;
  try {
    const writer = createWriter(job, saver);
    if (!chatting) return await complete(job, writer, promptIds(input, model.tokenizer, flags));
    if (templateText === undefined) job.notice('the file has no chat template; chatml is used');
    const session: ChatSession = {
      template: chatTemplate(templateText ?? 'chatml'),
      tokenizer: model.tokenizer,
      reply: (prompt, signal) => writer.write(prompt, signal),
    };
    return await talk(job, writer, session);
  } finally {
    await saver?.close();
  }
};

/** Raw completion: the prompt, then what the model makes of it. */
const complete = async (job: Job, writer: Writer, prompt: readonly number[]): Promise<number> => {
  const { flags, model, interrupts } = job;
  const echo = (flags['display-prompt'] ?? process.stdout.isTTY === true) && !flags.json;
  if (echo) await write(model.tokenizer.decode(prompt, { special: flags.special }));
  const done = await writer.write(prompt, interrupts.signal);
  if (flags.json) console.log(JSON.stringify(writer.json(done, prompt.length)));
  else {
    if (done.finish === 'eog' && process.stdout.isTTY) await write(' [end of text]');
    if (process.stdout.isTTY || !done.text.endsWith('\n')) await write('\n');
  }
  if (done.finish === 'context') job.notice(`the context of ${model.nCtx} tokens is full; -c makes it longer`);
  writer.report(done);
  return done.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/** Chat: one turn when there is nobody to go on with, else as many as they like. */
const talk = async (job: Job, writer: Writer, session: ChatSession): Promise<number> => {
  const { flags, input, interrupts } = job;
  const systemText = await systemPrompt(flags);
  const system: ChatMessage[] = systemText === undefined ? [] : [{ role: 'system', content: systemText }];
  const first = input.kind === 'text' ? input.text : undefined;
  const interactive = process.stdin.isTTY === true && !flags['single-turn'] && !flags.json;
  if (interactive) {
    await converse(session, system, first, interrupts);
    return interrupts.leaving ? interrupts.exitCode : 0;
  }
  const message = first ?? (await readStdin()).trim();
  if (message === '') throw new UserError('usage', 'the prompt is empty');
  const done = await turn(session, [...system, { role: 'user', content: message }], interrupts.signal);
  if (flags.json) console.log(JSON.stringify(writer.json(done.answer, writer.promptTokens)));
  else await write('\n');
  writer.report(done.answer);
  return done.answer.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/** Writes answers and remembers which tokens the cache holds, so that only what changed is computed. */
interface Writer {
  write(prompt: readonly number[], signal: AbortSignal): Promise<Answer>;
  report(done: Answer): void;
  json(done: Answer, nPrompt: number): Record<string, unknown>;
  readonly promptTokens: number;
}

const createWriter = ({ flags, model, notice }: Job, saver: LogitsFile | undefined): Writer => {
  const { decoder, tokenizer, nCtx } = model;
  const options = samplingOptions(flags, tokenizer, nCtx);
  notice(`seed ${options.seed}`);
  const sampler = createSampler(options, decoder.nVocab);
  const stops = flags['reverse-prompt'].map((text) => (flags.escape ? readEscapes(text) : text));
  let cached: number[] = [];
  let computed = 0;
  const timings = (done: Answer): Timings => ({
    loadMs: model.loadMs,
    promptTokens: computed,
    promptMs: done.promptMs,
    firstTokenMs: done.firstTokenMs,
    generatedTokens: done.ids.length,
    generateMs: done.generateMs,
  });
  return {
    get promptTokens() {
      return cached.length;
    },
    async write(prompt, signal) {
      if (prompt.length > nCtx)
        throw new UserError(
          'capacity',
          `the prompt has ${prompt.length} tokens, the context ${nCtx}`,
          'use a larger -c or a shorter prompt',
        );
      if (flags['verbose-prompt'])
        for (const id of prompt) process.stderr.write(`${String(id).padStart(6)} -> '${tokenizer.text(id)}'\n`);
      // The last token is computed again: its logits are not kept.
      const kept = Math.min(commonPrefix(cached, prompt), prompt.length - 1);
      computed = prompt.length - kept;
      for (const id of prompt.slice(kept)) sampler.accept(id);
      const done = await answer(prompt.slice(kept), {
        sampler,
        tokenizer,
        nCtx,
        stops,
        signal,
        pos: kept,
        nPredict: flags.predict,
        special: flags.special,
        step: (tokens, pos) =>
          saver ? savedStep(saver, model, tokens, pos, signal) : decoder.last(tokens, pos, signal),
        write: async (text) => {
          if (!flags.json) await write(text);
        },
      });
      cached = [...prompt, ...done.ids.slice(0, -1)];
      return done;
    },
    report(done) {
      if (flags.quiet) return;
      const t = timings(done);
      process.stderr.write(`${flags.perf ? timingsTable(t) : shortTimings(t)}\n`);
    },
    json: (done, nPrompt) => ({
      text: done.text,
      ids: done.ids,
      finish: done.finish,
      prompt_tokens: nPrompt,
      seed: options.seed,
      device: deviceId(model.device),
      compute: model.compute,
      threads: model.threads,
      context: nCtx,
      timings: timingsJson(timings(done)),
    }),
  };
};

const commonPrefix = (a: readonly number[], b: readonly number[]): number => {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
};

/** A step that keeps the logits of every position it passes. */
const savedStep = async (
  saver: LogitsFile,
  { decoder }: TextModelFile,
  tokens: readonly number[],
  pos: number,
  signal: AbortSignal,
): Promise<Float32Array> => {
  let last = new Float32Array();
  for await (const rows of decoder.all(tokens, pos, signal)) {
    await saver.write(rows);
    last = rows.slice(-decoder.nVocab);
  }
  return last;
};

type Input = { readonly perplexityText?: string } & (
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
);

/** What there is to go on from, read before the model is opened: a mistake here costs no waiting. */
const readInput = async (flags: Flags): Promise<Input> => {
  if (flags.perplexity !== undefined) return { kind: 'none', perplexityText: await readText(flags.perplexity) };
  if (flags.ids !== undefined) {
    const ids = flags.ids.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN));
    if (ids.some(Number.isNaN)) throw new UserError('usage', `--ids '${flags.ids}' is not a list like 1,2,3`);
    return { kind: 'ids', ids };
  }
  const plain = (text: string): Input => ({ kind: 'text', text: flags.escape ? readEscapes(text) : text });
  if (flags.prompt !== undefined) return plain(flags.prompt);
  if (flags.file !== undefined) {
    const text = flags.file === '-' ? await readStdin() : await readText(flags.file);
    return plain(text.replace(/\n$/, ''));
  }
  if (process.stdin.isTTY) return { kind: 'none' };
  const piped = (await readStdin()).replace(/\n$/, '');
  if (piped === '') throw new UserError('usage', 'no prompt', 'give one with -p, -f or a pipe');
  return { kind: 'text', text: piped };
};

const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError('file', `cannot read ${path}: ${messageOf(error)}`);
  }
};

const promptIds = (input: Input, tokenizer: Tokenizer, flags: Flags): readonly number[] => {
  const ids = input.kind === 'ids' ? input.ids : input.kind === 'text' ? tokenizer.encode(input.text) : [];
  const unknown = ids.find((id) => id >= tokenizer.vocabSize);
  if (unknown !== undefined)
    throw new UserError('usage', `token ${unknown} is not one of the model's ${tokenizer.vocabSize}`);
  if (ids.length === 0) throw new UserError('usage', 'the prompt is empty');
  if (flags.verbose) for (const warning of tokenizer.warnings) process.stderr.write(`${warning}\n`);
  return ids;
};

const systemPrompt = async (flags: Flags): Promise<string | undefined> => {
  const file = flags['system-prompt-file'];
  const text = flags['system-prompt'] ?? (file === undefined ? undefined : await readText(file));
  return text !== undefined && flags.escape ? readEscapes(text) : text;
};

const chosenTemplate = async (flags: Flags, model: TextModelFile): Promise<string | undefined> => {
  const file = flags['chat-template-file'];
  if (file !== undefined) return readText(file);
  return flags['chat-template'] ?? findChatTemplate(model.metadata);
};

const open = async (path: string, flags: Flags, notice: (line: string) => void): Promise<TextModelFile> => {
  const whole = (name: 'ctx-size' | 'predict' | 'batch-size', least: number): number => {
    const n = flags[name];
    if (!Number.isInteger(n) || n < least) throw new UserError('usage', `--${name} is ${n}, expected ${least} or more`);
    return n;
  };
  whole('predict', -2);
  const nTokenPerRun = flags['ubatch-size'];
  const bar = progressLine('preparing weights');
  const nCtx = whole('ctx-size', 0);
  const model = await openText(path, {
    notice,
    wish: flags['n-gpu-layers'] === '0' ? { kind: 'named', provider: 'cpu', index: 0 } : flags.device,
    strictDevice: flags['strict-device'],
    threads: threadCount(flags.threads),
    compute: flags.compute,
    fused: flags['flash-attn'] !== 'off',
    nCtx: flags.perplexity !== undefined && nCtx === 0 ? PERPLEXITY_CTX : nCtx,
    ...(nTokenPerRun !== undefined && { nTokenPerRun: Math.min(nTokenPerRun, whole('batch-size', 1)) }),
    progress: flags.quiet ? () => undefined : bar.update,
  });
  bar.end();
  return model;
};

/** What is said, once, of llama.cpp's flags that have nothing to set here. */
const noteAcceptedOnly = (flags: Flags, notice: (line: string) => void): void => {
  for (const name of Object.keys(acceptedOnly) as (keyof typeof acceptedOnly)[])
    if (flags[name] !== undefined) notice(`--${name}: ${acceptedOnly[name].describe}`);
};

/** llama.cpp's tool uses this length unless told otherwise. */
const PERPLEXITY_CTX = 512;

const printPerplexity = async ({ flags, model, interrupts }: Job, text: string): Promise<number> => {
  const { tokenizer, decoder, nCtx } = model;
  const ids = tokenizer.encode(text);
  if (ids.length < 2 * nCtx)
    throw new UserError(
      'usage',
      `the text has ${ids.length} tokens, two chunks of ${nCtx} are needed`,
      'use a longer text or a smaller -c',
    );
  const { addBos, bos } = tokenizer;
  const estimates = perplexity(decoder, ids, {
    nCtx,
    signal: interrupts.signal,
    ...(addBos && bos !== undefined && { bos }),
    ...(flags.chunks > 0 && { nChunk: flags.chunks }),
  });
  let last: { perplexity: number; error: number; chunk: number } | undefined;
  for await (const estimate of estimates) {
    if (!flags.json) await write(`[${estimate.chunk}]${estimate.perplexity.toFixed(4)},`);
    last = estimate;
  }
  if (flags.json)
    console.log(
      JSON.stringify({ perplexity: last?.perplexity, error: last?.error, chunks: last?.chunk, context: nCtx }),
    );
  else await write(`\nFinal estimate: PPL = ${last?.perplexity.toFixed(4)} +/- ${last?.error.toFixed(5)}\n`);
  return 0;
};

/** Tokens of a text, one a line as llama.cpp's llama-tokenize prints them; needs the file's header only. */
const printTokens = (path: string, text: string, flags: Flags): Promise<number> =>
  withGguf(path, async (file) => {
    const tokenizer = readTokenizer(file.metadata);
    const ids = tokenizer.encode(flags.escape ? readEscapes(text) : text);
    if (flags.json) console.log(JSON.stringify({ ids, pieces: ids.map((id) => tokenizer.text(id)) }));
    else for (const id of ids) await write(`${String(id).padStart(6)} -> '${tokenizer.text(id)}'\n`);
    return 0;
  });
