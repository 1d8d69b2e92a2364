/** What is drawn again and again below the transcript: the end of the answer, the message being typed, one line of facts. */
import { renderToString, Text } from 'ink';
import { editorRows } from './editor-rows.ts';
import type { ScreenState, Status } from './state.ts';
import { growingText, thoughtText } from './transcript.tsx';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Frame {
  readonly text: string;
  /** Where the next character goes, from the top left of the frame. */
  readonly cursor: { readonly x: number; readonly y: number };
}

const PROMPT = '> ';
const GOES_ON = '. ';
/** Rows of a thought that goes on. */
const THOUGHT_ROWS = 5;

/**
 * The frame for a terminal of this size; always lower than the terminal.
 * @param answer rows of the answer that is being written, of which the last are shown
 */
export const frameOf = (state: ScreenState, answer: readonly string[], { columns, rows }: Size, now: number): Frame => {
  const below = [...candidateRows(state, columns), statusRow(state, columns, now)];
  const editorHeight = Math.max(1, Math.min(10, rows - below.length - 2));
  // The last column stays free: some terminals wrap as soon as it is written.
  const editor = editorRows(state.editor, Math.max(1, columns - PROMPT.length - 1), editorHeight);
  const room = rows - editor.rows.length - below.length - 2;
  const above = [...(room > 0 ? answer.slice(-room) : []), ''];
  const marked = editor.rows.map((row, i) => renderRow(i === 0 ? PROMPT : GOES_ON, row));
  return {
    text: [...above, ...marked, ...below].join('\n'),
    cursor: { x: PROMPT.length + editor.cursor.column, y: above.length + editor.cursor.row },
  };
};

const rendered = (node: Parameters<typeof renderToString>[0], columns: number): string =>
  renderToString(node, { columns });

const renderRow = (mark: string, row: string): string =>
  `${rendered(
    <Text bold color="green">
      {mark.trimEnd()}
    </Text>,
    PROMPT.length,
  )} ${row}`;

/** What is not settled of the answer that is being written, laid out: the most of a frame's work. */
export const answerRows = ({ answering, thoughts }: ScreenState, { columns, rows }: Size): readonly string[] => {
  if (!answering) return [];
  const { thought, growing } = answering;
  const isThinking = thought !== '' && thoughts !== 'hide';
  const area = columns * rows;
  const lines = isThinking ? thoughtText(endOf(thought, area), columns).split('\n').slice(-THOUGHT_ROWS) : [];
  const text = growingText({ ...growing, text: endOf(growing.text, area) }, columns);
  return [
    ...(isThinking ? [''] : []),
    ...lines.filter((line, i) => i > 0 || line !== ''),
    ...(text === '' ? [] : text.split('\n')),
  ];
};

/**
 * The end of a text, from the beginning of a word on: at least a screen of `area` characters and less than two. What
 * it leaves out grows screen by screen, so that the rows that are seen stay as they are in between.
 */
const endOf = (text: string, area: number): string => {
  const from = area * (Math.floor(text.length / area) - 1);
  return from <= 0 ? text : text.slice(text.indexOf(' ', from) + 1);
};

const candidateRows = ({ candidates, hint }: ScreenState, columns: number): readonly string[] => {
  const text = candidates.length > 0 ? candidates.join('  ') : hint;
  return text === undefined
    ? []
    : [
        rendered(
          <Text color="cyan" wrap="truncate">
            {text}
          </Text>,
          columns,
        ),
      ];
};

const statusRow = (state: ScreenState, columns: number, now: number): string =>
  rendered(
    <Text wrap="truncate">
      {state.answering && <Text color="yellow">{`${activity(state, now)}  `}</Text>}
      <Text dimColor>{facts(state.status).join(' · ')}</Text>
    </Text>,
    columns,
  );

const activity = ({ answering, thoughts, queue }: ScreenState, now: number): string => {
  if (!answering) return '';
  const seconds = Math.floor((now - answering.begun) / 1000);
  const what = answering.isStopping
    ? 'stopping'
    : answering.thought !== '' && thoughts !== 'only'
      ? `thinking ${seconds} s`
      : `answering ${seconds} s`;
  return queue.length > 0 ? `${what}, ${queue.length} waiting` : what;
};

/** Device, model, context, speed, patience. */
const facts = ({ device, model, nCtx, used, rate, firstTokenMs }: Status): readonly string[] => [
  device,
  model,
  `${used} of ${nCtx} tokens, ${nCtx - used} left`,
  ...(rate === undefined ? [] : [`${rate.toFixed(1)} t/s`]),
  ...(firstTokenMs === undefined ? [] : [`first token ${firstTokenMs.toFixed(0)} ms`]),
];
