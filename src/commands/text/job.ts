/** A run of `grafo llama` or `grafo deepseek` with its model open, and the writer that the flags ask for. */
import type { SamplingOptions } from '../../models/sampling.ts';
import type { Interrupts } from '../interrupts.ts';
import { readEscapes } from './escapes.ts';
import { grammarConstraints } from './grammar.ts';
import type { Input } from './input.ts';
import type { LogitsFile } from './logits-file.ts';
import { savingStep } from './logits-file.ts';
import type { TextModelFile } from './open.ts';
import type { LlamaFlags } from './options.ts';
import { samplingOptions } from './sampling.ts';
import { tokenLines } from './tokens.ts';
import type { Writer } from './writer.ts';
import { createWriter } from './writer.ts';

export interface Job {
  /** Where the model lies. */
  readonly path: string;
  readonly flags: LlamaFlags;
  readonly input: Input;
  readonly model: TextModelFile;
  readonly interrupts: Interrupts;
  notice(line: string): void;
}

/**
 * A writer as the flags want it.
 * @param saver where the logits of every position go
 * @param splitsThoughts whether thoughts are told apart from the text
 */
export const prepareWriter = (
  { flags, input, model, notice }: Job,
  saver: LogitsFile | undefined,
  splitsThoughts: boolean,
): { readonly writer: Writer; readonly sampling: SamplingOptions } => {
  const { decoder, tokenizer, nCtx } = model;
  const sampling = samplingOptions(flags, model);
  notice(`seed ${sampling.seed}`);
  const stops = flags['reverse-prompt'].map((text) => (flags.escape ? readEscapes(text) : text));
  const writer = createWriter({
    step: saver ? savingStep(decoder, saver) : (model.speculation?.step ?? decoder.row),
    sampling,
    tokenizer,
    nCtx,
    whenFull: flags['context-shift'] ? { kind: 'forget', keep: flags.keep } : { kind: 'end' },
    loadMs: model.loadMs,
    stops: stops.filter((text) => text !== ''),
    ...(input.grammar && { constraint: grammarConstraints(input.grammar, tokenizer) }),
    nPredict: flags.predict,
    special: flags.special,
    ...(flags.logprobs !== undefined && { logprobs: flags.logprobs }),
    ...(splitsThoughts && { thoughts: { budget: flags['reasoning-budget'] } }),
  });
  const telling: Writer = {
    ...writer,
    write(prompt, listener) {
      process.stderr.write(tokenLines(prompt, tokenizer));
      return writer.write(prompt, listener);
    },
  };
  return { writer: flags['verbose-prompt'] ? telling : writer, sampling };
};
