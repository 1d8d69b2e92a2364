/** A conversation and its cache in a file, from one run to a later one: what was computed is not computed again. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import type { ContextHeader } from '../../io/context/file.ts';
import { openContext, writeContext } from '../../io/context/file.ts';
import { contentOf } from '../../io/gguf/identity.ts';
import type { ChatMessage } from '../../io/text/chat.ts';
import type { Job } from './job.ts';
import type { LlamaFlags } from './options.ts';
import { ropeFlagNames } from './rope-flags.ts';
import type { Writer, Written } from './writer.ts';

/**
 * What the flags ask to be kept, once it is known whether this is a chat.
 * @throws UserError 'usage' for what does not go together
 */
export const checkKept = (flags: LlamaFlags, kind: 'chat' | 'one answer' | 'completion'): void => {
  const wrong = (message: string, hint?: string) => new UserError('usage', message, hint);
  const { session, 'prompt-cache': cache, 'prompt-cache-all': all, 'prompt-cache-ro': ro } = flags;
  if ((session ?? cache) !== undefined && flags['spec-type'] === 'draft-mtp')
    throw wrong(`--${session === undefined ? 'prompt-cache' : 'session'} has no --spec-type draft-mtp`);
  if (session !== undefined && cache !== undefined)
    throw wrong('--session and --prompt-cache are two ways of the same');
  if (session !== undefined && kind === 'completion') throw wrong('--session keeps a chat', 'use --prompt-cache');
  if (cache !== undefined && kind === 'chat')
    throw wrong('--prompt-cache is for one answer', 'use --session for a chat');
  if (cache === undefined && (all || ro)) throw wrong(`--prompt-cache-${all ? 'all' : 'ro'} needs --prompt-cache FILE`);
};

/** Resumes a prompt, and says how much of it is known; afterwards the prompt is kept, as the flags want it. */
export const withPromptCache = async (job: Job, writer: Writer, write: () => Promise<Written>): Promise<Written> => {
  const { 'prompt-cache': path, 'prompt-cache-all': all, 'prompt-cache-ro': ro } = job.flags;
  if (path === undefined) return write();
  const resumed = await resumeContext(path, job, writer);
  const written = await write();
  if (resumed) {
    const known = written.promptTokens - written.timings.promptTokens;
    job.notice(`${known} of the prompt's ${written.promptTokens} tokens were in '${path}'`);
  }
  if (!ro) await keepContext(path, job, writer, { ...(!all && { nToken: written.promptTokens }) });
  return written;
};

/** What a file held. */
export type Resumed = Pick<ContextHeader, 'tokens' | 'messages'>;

/**
 * Puts what a file holds into the model's cache; undefined where there is no file yet.
 * @throws UserError 'file' for a file of another model or that is not whole, 'capacity' for a context that is too short
 */
export const resumeContext = async (path: string, job: Job, writer: Writer): Promise<Resumed | undefined> => {
  if (!existsSync(path)) return undefined;
  const { model } = job;
  const context = await openContext(path);
  try {
    const { model: other, tokens, messages, states } = context.header;
    const own = await modelOf(job);
    if (other.content !== own.content)
      throw new UserError(
        'file',
        `'${path}' belongs to model '${other.name}', not to '${own.name}'`,
        'name another file',
      );
    if (other.form !== own.form) {
      const flags = other.form === '' ? 'none' : other.form;
      throw new UserError(
        'file',
        `'${path}' was written with other flags: ${flags}`,
        'give the same, or name another file',
      );
    }
    if (tokens.length > model.nCtx)
      throw new UserError(
        'capacity',
        `'${path}' holds ${tokens.length} tokens, the context ${model.nCtx}`,
        'use a larger -c',
      );
    const expected = model.cache.states.map(({ name, rowBytes }) => ({ name, byteLength: rowBytes * tokens.length }));
    if (JSON.stringify(states) !== JSON.stringify(expected))
      throw new UserError('file', `'${path}' is damaged: its rows are not this model's`, 'remove it to begin anew');
    await model.cache.write(await context.rows());
    writer.resume(tokens);
    return { tokens, messages };
  } finally {
    await context.close();
  }
};

/** Writes the first `nToken` tokens of the cache to a file, and the conversation that they belong to. */
export const keepContext = async (
  path: string,
  job: Job,
  { cached }: Writer,
  { messages = [], nToken = cached.length }: { messages?: readonly ChatMessage[]; nToken?: number } = {},
): Promise<void> => {
  const tokens = cached.slice(0, nToken);
  const rows = await job.model.cache.read(tokens.length);
  await writeContext(path, { model: await modelOf(job), tokens, messages }, rows);
};

const modelOf = async ({ path, flags, model }: Job): Promise<ContextHeader['model']> => ({
  name: basename(path),
  content: await contentOf(model.parts),
  form: [
    ...(flags.mla === 'auto' ? [] : [`--mla ${flags.mla}`]),
    ...flags['override-kv'].map((text) => `--override-kv ${text}`),
    ...flags.lora.map((text) => `--lora ${text}`),
    ...ropeFlagNames.flatMap((name) => (flags[name] === undefined ? [] : [`--${name} ${flags[name]}`])),
  ].join(' '),
});
