/** What a key does to a drawn chat: another state, and what is to be done outside of it. */
import { goesOn, messageOfLines } from './chat.ts';
import type { Editor, Target } from './editor.ts';
import { editorWith, emptyEditor, insert, move, moveLine, remove } from './editor.ts';
import { printable } from './printable.ts';
import type { ScreenState } from './state.ts';

/** A key by its name, with what was held beside it; or text that was typed or pasted. */
export type Key =
  | { readonly kind: 'key'; readonly name: string; readonly ctrl: boolean; readonly meta: boolean }
  | { readonly kind: 'text'; readonly text: string };

/** What the keyboard asks for; the state has changed already. */
export type Effect = 'none' | 'submitted' | 'stop' | 'leave' | 'interrupt' | 'complete' | 'redraw';

export interface Pressed {
  readonly state: ScreenState;
  readonly effect: Effect;
}

const LEAVING = 'Ctrl-C again leaves';

/** Movements and removals, by key. */
const moves: Readonly<Record<string, Target>> = {
  left: 'left',
  right: 'right',
  home: 'home',
  end: 'end',
  'ctrl-left': 'wordLeft',
  'ctrl-right': 'wordRight',
  'meta-left': 'wordLeft',
  'meta-right': 'wordRight',
  'meta-b': 'wordLeft',
  'meta-f': 'wordRight',
  'ctrl-b': 'left',
  'ctrl-f': 'right',
  'ctrl-a': 'home',
  'ctrl-e': 'end',
};
const removals: Readonly<Record<string, Target>> = {
  backspace: 'left',
  'ctrl-h': 'left',
  delete: 'right',
  'ctrl-k': 'end',
  'ctrl-u': 'home',
  'ctrl-w': 'wordLeft',
  'meta-backspace': 'wordLeft',
  'meta-d': 'wordRight',
};

/** What a key does to the screen, and what it asks of the conversation. */
export const press = (before: ScreenState, key: Key): Pressed => {
  const { hint, ...rest } = before;
  const state: ScreenState = { ...rest, candidates: [] };
  const { editor } = state;
  const edited = (changed: Editor): Pressed => ({ state: { ...state, editor: changed }, effect: 'none' });
  const asking = (effect: Effect): Pressed => ({ state, effect });

  if (key.kind === 'text') return edited(insert(editor, printable(key.text)));
  const name = `${key.ctrl ? 'ctrl-' : ''}${key.meta ? 'meta-' : ''}${key.name}`;
  const [target, gone] = [moves[name], removals[name]];
  if (target) return edited(move(editor, target));
  if (gone) return edited(remove(editor, gone));
  switch (name) {
    case 'return':
    case 'enter': // a line break typed before the terminal was in raw mode
      return enter(state);
    case 'meta-return':
    case 'meta-enter':
      return edited(insert(editor, '\n'));
    case 'up':
    case 'ctrl-p':
      return edits(state, moveLine(editor, -1), 1);
    case 'down':
    case 'ctrl-n':
      return edits(state, moveLine(editor, 1), -1);
    case 'tab':
      return asking('complete');
    case 'ctrl-l':
      return asking('redraw');
    case 'ctrl-o':
      return { state: { ...state, isUnfolded: !state.isUnfolded }, effect: 'redraw' };
    case 'escape':
      return state.answering ? asking('stop') : asking('none');
    case 'ctrl-d':
      return editor.text === '' ? asking('leave') : edited(remove(editor, 'right'));
    case 'ctrl-c':
      if (state.answering) return asking('interrupt');
      if (hint === LEAVING) return asking('interrupt');
      return { state: { ...state, editor: emptyEditor, hint: LEAVING }, effect: 'none' };
    default:
      return asking('none');
  }
};

/** The message is done, unless it goes on: after a backslash, or within \"\"\". */
const enter = (state: ScreenState): Pressed => {
  const { editor, queue, recalled } = state;
  const isAtEnd = editor.cursor === editor.text.length;
  if (isAtEnd && goesOn(editor.text)) {
    const text = editor.text.replace(/\\$/, '');
    return { state: { ...state, editor: editorWith(`${text}\n`) }, effect: 'none' };
  }
  const message = messageOfLines(editor.text);
  if (message.trim() === '') return { state, effect: 'none' };
  const messages = recalled.messages.at(-1) === editor.text ? recalled.messages : [...recalled.messages, editor.text];
  return {
    state: {
      ...state,
      editor: emptyEditor,
      queue: [...queue, message],
      recalled: { messages, at: -1, draft: '' },
    },
    effect: 'submitted',
  };
};

/** Another line of the message, or where there is none, an older (1) or newer (-1) message. */
const edits = (state: ScreenState, moved: Editor | undefined, by: 1 | -1): Pressed => {
  if (moved) return { state: { ...state, editor: moved }, effect: 'none' };
  const { messages, at, draft } = state.recalled;
  const next = at + by;
  if (next < -1 || next >= messages.length) return { state, effect: 'none' };
  const kept = at < 0 ? state.editor.text : draft;
  const text = next < 0 ? kept : (messages.at(-1 - next) ?? '');
  return {
    state: { ...state, editor: editorWith(text), recalled: { messages, at: next, draft: kept } },
    effect: 'none',
  };
};
