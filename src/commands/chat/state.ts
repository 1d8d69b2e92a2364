/** All that a drawn chat shows, and how pieces of an answer change it. Plain data: nothing here knows a terminal. */
import type { ChatMessage } from '../../io/text/chat.ts';
import type { Piece } from '../../io/text/thoughts.ts';
import type { Editor } from './editor.ts';
import { emptyEditor } from './editor.ts';
import type { Growing, Settled } from './growing.ts';
import { grow, nothingYet } from './growing.ts';
import { printable } from './printable.ts';

/** Something in the conversation that will not change any more. */
export type Entry =
  | { readonly kind: 'asked'; readonly text: string }
  | { readonly kind: 'thought'; readonly text: string; readonly seconds: number }
  | Settled
  | { readonly kind: 'note'; readonly text: string; readonly tone: 'plain' | 'wrong' };

/** The answer that is being written. */
export interface Answering {
  readonly begun: number;
  readonly thought: string;
  readonly growing: Growing;
  readonly isStopping: boolean;
}

export interface Status {
  readonly device: string;
  readonly model: string;
  readonly nCtx: number;
  /** Tokens in the context. */
  readonly used: number;
  /** Tokens a second, of this answer or the last. */
  readonly rate?: number;
  readonly firstTokenMs?: number;
}

/** Messages typed before: which of them is in the editor, and what was there before. */
export interface Recalled {
  readonly messages: readonly string[];
  /** Counted from the newest; -1: the draft itself. */
  readonly at: number;
  readonly draft: string;
}

export interface ScreenState {
  readonly entries: readonly Entry[];
  readonly answering?: Answering;
  readonly editor: Editor;
  readonly recalled: Recalled;
  /** Messages that wait for their turn. */
  readonly queue: readonly string[];
  /** What Tab could still choose. */
  readonly candidates: readonly string[];
  /** One line under the editor, until the next key. */
  readonly hint?: string;
  readonly status: Status;
  readonly thoughts: 'show' | 'hide' | 'only';
  /** Whether thoughts are shown in full once they are over. */
  readonly isUnfolded: boolean;
  /** The transcript is drawn from this entry on; every new number draws it anew. */
  readonly drawing: { readonly number: number; readonly from: number };
}

/** The screen as it opens. */
export const firstState = (
  status: Status,
  messages: readonly string[],
  thoughts: ScreenState['thoughts'],
): ScreenState => ({
  entries: [],
  editor: emptyEditor,
  recalled: { messages, at: -1, draft: '' },
  queue: [],
  candidates: [],
  status,
  thoughts,
  isUnfolded: thoughts === 'only',
  drawing: { number: 0, from: 0 },
});

/** With more entries at the end of the transcript. */
export const withEntries = (state: ScreenState, ...entries: readonly Entry[]): ScreenState => ({
  ...state,
  entries: [...state.entries, ...entries],
});

/** A line of grafo itself between the turns. */
export const note = (text: string, tone: 'plain' | 'wrong' = 'plain'): Entry => ({ kind: 'note', text, tone });

/** A conversation that goes on, as it would have been shown. */
export const entriesOf = (messages: readonly ChatMessage[]): readonly Entry[] =>
  messages.flatMap(({ role, content }): readonly Entry[] => {
    const text = printable(content);
    if (role === 'system') return [note(`system: ${text}`)];
    return role === 'user' ? [{ kind: 'asked', text }] : grow(nothingYet, text, true).settled;
  });

/** An answer begins. */
export const beginAnswer = (state: ScreenState, now: number): ScreenState => ({
  ...state,
  answering: { begun: now, thought: '', growing: nothingYet, isStopping: false },
});

/** A piece of the answer has come. */
export const hear = (state: ScreenState, piece: Piece, now: number): ScreenState => {
  const { answering, thoughts } = state;
  if (!answering) return state;
  const text = printable(piece.text);
  if (piece.kind === 'thought') return { ...state, answering: { ...answering, thought: answering.thought + text } };
  if (thoughts === 'only') return state;
  const { settled, growing } = grow(answering.growing, text);
  const over = thoughtEntries(state, now);
  return { ...withEntries(state, ...over, ...settled), answering: { ...answering, thought: '', growing } };
};

/** The answer is complete: nothing of it may change any more. */
export const endAnswer = (state: ScreenState, now: number): ScreenState => {
  const { answering, ...rest } = state;
  if (!answering) return state;
  const { settled } = grow(answering.growing, '', true);
  return withEntries(rest, ...thoughtEntries(state, now), ...settled);
};

const thoughtEntries = ({ answering, thoughts }: ScreenState, now: number): readonly Entry[] =>
  !answering || answering.thought === '' || thoughts === 'hide'
    ? []
    : [{ kind: 'thought', text: answering.thought, seconds: (now - answering.begun) / 1000 }];
