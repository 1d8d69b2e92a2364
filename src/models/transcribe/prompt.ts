/** What the decoder is given before a window's text: what was said so far, then what it is to do. */
import type { Sequence } from './sequence.ts';
import type { SpecialTokens } from './special-tokens.ts';

export interface TaskOptions {
  readonly special: SpecialTokens;
  /** Id of the language's token; models of English alone have none. */
  readonly language?: number;
  readonly translate: boolean;
  readonly withTimestamps: boolean;
}

/** The tokens that say what is to be done. */
export const taskTokens = (o: TaskOptions): readonly number[] => {
  const t = o.special;
  const task = o.language === undefined ? [] : [o.language, o.translate ? t.translate : t.transcribe];
  return [t.startOfTranscript, ...task, ...(o.withTimestamps ? [] : [t.noTimestamps])];
};

export interface PromptOptions {
  readonly startOfPrevious: number;
  readonly task: readonly number[];
  /** Ids of a text that stands before everything, or that every window is given anew. */
  readonly initial: readonly number[];
  readonly carriesInitial: boolean;
  /** Tokens of earlier text at most, with the one that announces them. */
  readonly maxContext: number;
}

export interface Prompt {
  /** The prompt of the next window. What was said before only confuses a decoder that is to try something else. */
  at(temperature: number): readonly number[];
  /** A window has been decoded from `prompt`; what counts of it is remembered. */
  said(prompt: readonly number[], sequence: Sequence, isSilence: boolean): void;
  /** Forgets what was said before; a text that is carried along stays. */
  forget(): void;
}

/** From this temperature on nothing said before is given (whisper.cpp). */
const WITHOUT_CONTEXT = 0.5;

/** What each window is told of the text before it. */
export const createPrompt = (o: PromptOptions): Prompt => {
  const { maxContext, task, startOfPrevious } = o;
  const fixed = o.carriesInitial ? lastOf(o.initial, Math.max(1, maxContext - 1)) : [];
  let rolling = o.carriesInitial ? [] : o.initial;
  return {
    at(temperature) {
      const hasContext = maxContext > 0 && temperature < WITHOUT_CONTEXT && fixed.length + rolling.length > 0;
      if (!hasContext) return task;
      return [startOfPrevious, ...fixed, ...lastOf(rolling, maxContext - fixed.length - 1), ...task];
    },
    said(prompt, { tokens, nResult }, isSilence) {
      const earlier =
        !o.carriesInitial && prompt[0] === startOfPrevious ? prompt.slice(1, prompt.length - task.length) : [];
      rolling = [...earlier, ...(isSilence ? [] : tokens.slice(0, nResult).map(({ id }) => id))];
    },
    forget() {
      rolling = [];
    },
  };
};

const lastOf = (ids: readonly number[], n: number): readonly number[] => (n > 0 ? ids.slice(-n) : []);
