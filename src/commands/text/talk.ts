/** Chat: as many turns as a person likes at a terminal, else one. */
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import { deviceId } from '../../graph/device/device.ts';
import type { ChatTemplate } from '../../io/text/chat.ts';
import type { Ask, Chat } from '../chat/chat.ts';
import { Conversation, type Speaker } from '../chat/conversation.ts';
import type { DrawnChat } from '../chat/converse.ts';
import type { AnswerOutput } from '../chat/lines.ts';
import { askInLines, askOnce, converseInLines } from '../chat/lines.ts';
import { createSettings } from '../chat/settings.ts';
import type { Status } from '../chat/state.ts';
import { hasColours } from '../terminal.ts';
import type { Job } from './job.ts';
import { prepareWriter } from './job.ts';
import { checkKept, keepContext, resumeContext, withPromptCache } from './kept-context.ts';
import type { LogitsFile } from './logits-file.ts';
import type { LlamaFlags } from './options.ts';
import { createOutput, remarks } from './output.ts';
import { samplingOptions } from './sampling.ts';
import { generationRate, shortTimings, timingsTable } from './timings.ts';
import type { Writer, Written } from './writer.ts';

/** Talks by a template; gives the exit code. */
export const talk = async (job: Job, template: ChatTemplate, saver: LogitsFile | undefined): Promise<number> => {
  const { flags, input, model } = job;
  const isChat = process.stdin.isTTY && !flags['single-turn'] && !flags.json && !input.messages;
  checkKept(flags, isChat ? 'chat' : 'one answer');
  const { writer, sampling } = prepareWriter(job, saver, flags['reasoning-format'] !== 'none');
  const kwargs = flags['chat-template-kwargs'];
  const speaker: Speaker = {
    template,
    tokenizer: model.tokenizer,
    ...(kwargs && { kwargs }),
    ...(flags['context-shift'] && { forgetAt: model.nCtx }),
    writer,
  };
  const resumed = flags.session === undefined ? undefined : await resumeContext(flags.session, job, writer);
  if (resumed)
    job.notice(`${resumed.messages.length} messages, ${resumed.tokens.length} tokens from '${flags.session}'`);
  const conversation = new Conversation(speaker, resumed?.messages ?? []);
  if (input.system !== undefined) conversation.setSystem(input.system);
  const talking: Talking = { job, writer, conversation, output: await createOutput(job, sampling.seed) };
  const exitCode = await (isChat ? converse(talking) : answerOnce(talking));
  if (flags.session !== undefined) {
    await keepContext(flags.session, job, writer, { messages: conversation.messages });
    job.notice(`the conversation is kept in '${flags.session}'`);
  }
  return exitCode;
};

interface Talking {
  readonly job: Job;
  readonly writer: Writer;
  readonly conversation: Conversation;
  readonly output: AnswerOutput;
}

/** The first message, from the command line or a terminal, and its answer. */
const answerOnce = async ({ job, writer, conversation, output }: Talking): Promise<number> => {
  const { input, interrupts } = job;
  const past = input.messages ?? [];
  if (past.length > 0) conversation.load(past.slice(0, -1));
  const given = input.prompt.kind === 'text' ? input.prompt.text : past.at(-1)?.content;
  const message = given ?? (await askOnce(interrupts));
  if (interrupts.leaving) return interrupts.exitCode;
  if (!message) throw new UserError('usage', 'the prompt is empty');
  const ask: Ask = (listener) => withPromptCache(job, writer, () => conversation.say(message, listener));
  const written = await askInLines(ask, interrupts.signal, output);
  return written?.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/** As many turns as a person likes. */
const converse = async ({ job, writer, conversation, output }: Talking): Promise<number> => {
  const { flags, input, model, interrupts } = job;
  let last: Written | undefined;
  const chat: Chat = {
    conversation,
    interrupts,
    ...(input.prompt.kind === 'text' && { first: input.prompt.text }),
    ...createSettings(flags, (changed) => writer.choose(samplingOptions(changed, model))),
    stats: () => statsText(job, writer, last),
  };
  if (isDrawn(flags)) {
    const drawn: DrawnChat = {
      ...chat,
      thoughts: flags.thinking,
      status: () => statusOf(job, writer, last),
      remarks(written) {
        last = written;
        return [...remarks(written, model), ...(flags.perf ? [timingsTable(written.timings)] : [])];
      },
    };
    // Read only where it is wanted, and as it is meant for use: React asks this of its surroundings.
    process.env.NODE_ENV ??= 'production';
    const { converseOnScreen } = await import('../chat/converse.ts');
    await converseOnScreen(drawn, process);
  } else
    await converseInLines(chat, {
      ...output,
      report(written) {
        last = written;
        return output.report(written);
      },
    });
  return interrupts.leaving ? interrupts.exitCode : 0;
};

/**
 * Whether the chat is drawn: on a terminal that can be drawn on, has a size and shows colours, unless plain lines are
 * asked for.
 */
const isDrawn = (flags: LlamaFlags): boolean =>
  process.stdout.isTTY === true &&
  process.stdout.columns > 0 &&
  process.stdout.rows > 0 &&
  !process.env.CI &&
  hasColours(flags.color) &&
  !flags['simple-io'] &&
  !flags['verbose-prompt'];

/** The line of facts below a drawn chat. */
const statusOf = ({ path, model }: Job, { cached }: Writer, last: Written | undefined): Status => {
  const name = model.metadata.get('general.name');
  return {
    device: deviceId(model.device),
    model: typeof name === 'string' ? name : basename(path),
    nCtx: model.nCtx,
    used: cached.length,
    ...(last && { firstTokenMs: last.timings.firstTokenMs, rate: generationRate(last.timings) }),
  };
};

/** What `/stats` shows. */
const statsText = ({ model }: Job, { cached }: Writer, last: Written | undefined): string => {
  const share = ((100 * cached.length) / model.nCtx).toFixed(0);
  const context = `context: ${cached.length} of ${model.nCtx} tokens (${share} %), ${model.nCtx - cached.length} left`;
  if (!last) return context;
  const reused = last.promptTokens - last.timings.promptTokens;
  return [
    context,
    `last prompt: ${last.promptTokens} tokens, ${reused} of them still in the cache`,
    shortTimings(last.timings),
  ].join('\n');
};
