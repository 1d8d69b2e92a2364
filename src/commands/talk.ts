/** Chat: as many turns as a person likes at a terminal, else one. */
import { basename } from 'node:path';
import { UserError } from '../errors.ts';
import { deviceId } from '../graph/device/device.ts';
import type { ChatTemplate } from '../io/text/chat.ts';
import type { Chat } from './chat/chat.ts';
import { Conversation } from './chat/conversation.ts';
import type { DrawnChat } from './chat/converse.ts';
import { askInLines, askOnce, converseInLines } from './chat/lines.ts';
import { createSettings } from './chat/settings.ts';
import type { Status } from './chat/state.ts';
import type { LlamaFlags } from './llama-options.ts';
import type { LogitsFile } from './logits-file.ts';
import { samplingOptions } from './sampling.ts';
import { hasColours } from './terminal.ts';
import type { Job } from './text-job.ts';
import { prepareWriter } from './text-job.ts';
import { createOutput, remarks } from './text-output.ts';
import { generationRate, shortTimings, timingsTable } from './timings.ts';
import type { Writer, Written } from './writer.ts';

/** Talks by a template; gives the exit code. */
export const talk = async (job: Job, template: ChatTemplate, saver: LogitsFile | undefined): Promise<number> => {
  const { flags, input, model, interrupts } = job;
  const { tokenizer } = model;
  const { writer, sampling } = prepareWriter(job, saver, flags['reasoning-format'] !== 'none');
  const output = createOutput(job, sampling.seed);
  const kwargs = flags['chat-template-kwargs'];
  const system = input.system === undefined ? [] : [{ role: 'system', content: input.system } as const];
  const conversation = new Conversation({ template, tokenizer, ...(kwargs && { kwargs }), writer }, system);
  const first = input.prompt.kind === 'text' ? input.prompt.text : undefined;
  if (input.messages) {
    conversation.load(input.messages);
    const written = await askInLines((listener) => conversation.sayAgain(listener), interrupts.signal, output);
    return written?.finish === 'interrupt' ? interrupts.exitCode : 0;
  }
  if (process.stdin.isTTY && !flags['single-turn'] && !flags.json) {
    let last: Written | undefined;
    const chat: Chat = {
      conversation,
      interrupts,
      ...(first !== undefined && { first }),
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
      const { converseOnScreen } = await import('./chat/converse.ts');
      await converseOnScreen(drawn, process);
    } else
      await converseInLines(chat, {
        ...output,
        report(written) {
          last = written;
          output.report(written);
        },
      });
    return interrupts.leaving ? interrupts.exitCode : 0;
  }
  const message = first ?? (await askOnce(interrupts));
  if (interrupts.leaving) return interrupts.exitCode;
  if (!message) throw new UserError('usage', 'the prompt is empty');
  const written = await askInLines((listener) => conversation.say(message, listener), interrupts.signal, output);
  return written?.finish === 'interrupt' ? interrupts.exitCode : 0;
};

/** Whether the chat is drawn: on a terminal that can be drawn on and shows colours, unless plain lines are asked for. */
const isDrawn = (flags: LlamaFlags): boolean =>
  process.stdout.isTTY === true &&
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
