/** What a drawn chat is made of, without a terminal: the editor, keys, growing Markdown, what rows come of it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { complete } from '../src/commands/chat/completion.ts';
import { editorWith, emptyEditor } from '../src/commands/chat/editor.ts';
import { editorRows } from '../src/commands/chat/editor-rows.ts';
import { answerRows, frameOf } from '../src/commands/chat/frame.tsx';
import type { Settled } from '../src/commands/chat/growing.ts';
import { grow, nothingYet } from '../src/commands/chat/growing.ts';
import type { Key } from '../src/commands/chat/keys.ts';
import { press } from '../src/commands/chat/keys.ts';
import { historyFile, readPast, rememberMessage } from '../src/commands/chat/past.ts';
import type { ScreenState } from '../src/commands/chat/state.ts';
import { beginAnswer, endAnswer, firstState, hear } from '../src/commands/chat/state.ts';
import { entryText } from '../src/commands/chat/transcript.tsx';
import { scratch } from './fixtures.ts';

const status = { device: 'cpu', model: 'tiny', nCtx: 100, used: 10 };
const waiting = firstState(status, ['older', 'old'], 'show');

/** `abc` is typed, `<ctrl-w>` is pressed. */
const keysOf = (text: string): Key[] =>
  Array.from(text.matchAll(/<([^>]+)>|[^<]+/g), ([typed, name]) => {
    if (name === undefined) return { kind: 'text', text: typed };
    const [, ctrl, meta, own = ''] = /^(ctrl-)?(meta-)?(.+)$/.exec(name) ?? [];
    return { kind: 'key', name: own, ctrl: ctrl !== undefined, meta: meta !== undefined };
  });

const pressed = (text: string, from: ScreenState = waiting) => {
  let state = from;
  const effects: string[] = [];
  for (const key of keysOf(text)) {
    const after = press(state, key);
    state = after.state;
    if (after.effect !== 'none') effects.push(after.effect);
  }
  const { text: typed, cursor } = state.editor;
  return { state, effects, shown: `${typed.slice(0, cursor)}|${typed.slice(cursor)}` };
};

describe('the message being typed', () => {
  it.each([
    ['abc<left>x', 'abx|c'],
    ['one two<ctrl-w>', 'one |'],
    ['one two<ctrl-left><ctrl-k>', 'one |'],
    ['one two<home><ctrl-right>', 'one| two'],
    ['one two<meta-b><ctrl-u>', '|two'],
    ['日本👍🏽<left><backspace>', '日|👍🏽'],
    ['a👩‍👩‍👧<backspace>', 'a|'],
    ['ab<meta-return>cd<up>x', 'abx|\ncd'],
    ['abc<meta-return>d<up><down>', 'abc\nd|'],
    ['a\\<return>b', 'a\nb|'],
    ['"""a<return>b', '"""a\nb|'],
    ['<up>', 'old|'],
    ['<up><up><up>', 'older|'],
    ['draft<up><up><down><down>', 'draft|'],
    ['a\tb\x1b[2J\r\nc', 'a    b[2J\nc|'],
    ['ab<left><ctrl-d>', 'a|'],
    ['ab<ctrl-c>', '|'],
  ])('%s becomes %s', (keys, expected) => {
    expect(pressed(keys).shown).toBe(expected);
  });

  it.each([
    ['Hi<return>', ['submitted'], ['Hi']],
    ['"""a<return>b"""<return>', ['submitted'], ['a\nb']],
    ['a\\<return>b<return>c<enter>', ['submitted', 'submitted'], ['a\nb', 'c']],
    ['  <return>', [], []],
    ['<ctrl-d>', ['leave'], []],
    ['<ctrl-c>', [], []],
    ['<ctrl-c>a<ctrl-c>', [], []],
    ['<ctrl-c><ctrl-c>', ['interrupt'], []],
    ['<escape>', [], []],
    ['/he<tab>', ['complete'], []],
    ['<ctrl-o>', ['redraw'], []],
  ])('%s asks for %j and queues %j', (keys, effects, queue) => {
    const { state, effects: asked } = pressed(keys);
    expect(asked).toEqual(effects);
    expect(state.queue).toEqual(queue);
  });

  it.each([
    ['<ctrl-c>', ['interrupt']],
    ['<escape>', ['stop']],
    ['next<return>', ['submitted']],
  ])('while an answer comes, %s asks for %j', (keys, effects) => {
    expect(pressed(keys, beginAnswer(waiting, 0)).effects).toEqual(effects);
  });

  it('is wrapped by the width that characters have, with the cursor among them', () => {
    expect(editorRows(editorWith('abcd日本'), 6, 5)).toEqual({ rows: ['abcd日', '本'], cursor: { row: 1, column: 2 } });
    expect(editorRows(editorWith('abcdef'), 6, 5)).toEqual({ rows: ['abcdef', ''], cursor: { row: 1, column: 0 } });
    expect(editorRows({ text: 'a\nb\nc\nd', cursor: 2 }, 6, 2)).toEqual({
      rows: ['a', 'b'],
      cursor: { row: 1, column: 0 },
    });
    expect(editorRows(editorWith('a\nb\nc\nd'), 6, 2)).toEqual({ rows: ['c', 'd'], cursor: { row: 1, column: 1 } });
  });
});

describe('Tab', () => {
  const folder = join(scratch, 'paths');
  mkdirSync(join(folder, 'notes'), { recursive: true });
  for (const name of ['note.txt', '.hidden']) writeFileSync(join(folder, name), '');

  it.each([
    ['/he', '/help', []],
    ['/s', '/s', ['/set', '/system', '/save', '/stats']],
    ['/re', '/re', ['/regen', '/read']],
    ['/rea', '/read ', []],
    [`/read ${folder}/no`, `/read ${folder}/note`, ['note.txt', 'notes/']],
    [`/load ${folder}/notes`, `/load ${folder}/notes/`, []],
    [`/save ${folder}/.h`, `/save ${folder}/.hidden`, []],
  ])('makes %s %s', (typed, expected, candidates) => {
    expect(complete(editorWith(typed))).toEqual({ editor: editorWith(expected), candidates });
  });

  it.each(['Hello', '/set te', '/nothing', `/read ${folder}/x`, ''])('leaves %s as it is', (typed) => {
    expect(complete(editorWith(typed))).toBeUndefined();
  });
});

/** All that is settled of a text that comes in pieces of `size` characters. */
const settledOf = (text: string, size: number): readonly Settled[] => {
  const all: Settled[] = [];
  let growing = nothingYet;
  for (let at = 0; at < text.length; at += size) {
    const step = grow(growing, text.slice(at, at + size));
    all.push(...step.settled);
    growing = step.growing;
  }
  return [...all, ...grow(growing, '', true).settled];
};

const shownOf = (settled: readonly Settled[]): string =>
  settled
    .map((entry) =>
      stripVTControlCharacters(entryText(entry, { width: 40, isUnfolded: false }))
        .split('\n')
        .map((line) => line.trimEnd())
        .join('\n'),
    )
    .join('\n');

const markdown = `# Title
Some **bold** text
that goes on.

- one
- two
  more of two

  and a paragraph of it
- three

1. first
2. second

\`\`\`js
const x = 1; // *not* emphasised

/* over
two lines */
\`\`\`
After \`code\`.

| a | bb |
|---|----|
| 1 | 2  |

> quoted`;

describe('Markdown that comes bit by bit', () => {
  it.each([1, 2, 3, 7, 1000])('in pieces of %i characters becomes the same rows', (size) => {
    expect(shownOf(settledOf(markdown, size))).toMatchInlineSnapshot(`
      "
      Title
      Some bold text
      that goes on.

      • one
      • two
        more of two

        and a paragraph of it
      • three

      1. first
      2. second

        const x = 1; // *not* emphasised

        /* over
        two lines */

      After code.

      a  bb
      1  2

      │ quoted"
    `);
  });

  it('settles lines of code as they end, and paragraphs once another block has begun', () => {
    const { settled, growing } = grow(nothingYet, 'A\n\nB **b\n');
    expect(settled).toEqual([{ kind: 'blocks', text: 'A', isApart: true }]);
    expect(growing).toEqual({ text: 'B **b\n', isApart: true });
    const code = grow(growing, '```py\nx = 1\ny');
    expect(code.settled).toEqual([
      { kind: 'blocks', text: 'B **b', isApart: true },
      { kind: 'code', code: { language: 'py', above: [], lines: ['x = 1'] }, isApart: false },
    ]);
    expect(code.growing).toEqual({
      text: 'y',
      fence: { mark: '```', language: 'py', above: ['x = 1'] },
      isApart: false,
    });
  });
});

describe('an answer', () => {
  const answered = (thoughts: ScreenState['thoughts']) => {
    const begun = beginAnswer(firstState(status, [], thoughts), 0);
    const thinking = hear(begun, { kind: 'thought', text: 'hm\x1b[2J' }, 1000);
    const said = hear(thinking, { kind: 'text', text: 'Yes.\n\nBut' }, 2000);
    return { thinking, said, over: endAnswer(said, 3000) };
  };

  it('folds its thought once it speaks, and settles all of it at its end', () => {
    const { said, over } = answered('show');
    const thought = { kind: 'thought', text: 'hm[2J', seconds: 2 };
    const yes = { kind: 'blocks', text: 'Yes.', isApart: true };
    expect(said.entries).toEqual([thought, yes]);
    expect(over.entries).toEqual([thought, yes, { kind: 'blocks', text: 'But', isApart: true }]);
    expect(over.answering).toBeUndefined();
  });

  it('shows only what is asked for', () => {
    expect(answered('hide').over.entries.map(({ kind }) => kind)).toEqual(['blocks', 'blocks']);
    expect(answered('only').over.entries.map(({ kind }) => kind)).toEqual(['thought']);
  });

  it.each([5, 8, 24])('never draws a frame as high as a terminal of %i rows', (rows) => {
    const { thinking, said } = answered('show');
    const long = hear(said, { kind: 'text', text: `\n\n${'word '.repeat(500)}` }, 2000);
    for (const state of [waiting, thinking, long, { ...long, editor: editorWith('x\n'.repeat(30)) }]) {
      const size = { columns: 40, rows };
      const { text, cursor } = frameOf(state, answerRows(state, size), size, 2500);
      expect(text.split('\n').length).toBeLessThan(rows);
      expect(cursor.y).toBeLessThan(rows - 1);
    }
  });

  it('counts its seconds in the line of facts, which never wraps', () => {
    const [state, size] = [
      { ...answered('show').said, editor: emptyEditor },
      { columns: 30, rows: 24 },
    ];
    const frame = frameOf(state, answerRows(state, size), size, 2500);
    expect(stripVTControlCharacters(frame.text).split('\n').at(-1)).toBe('answering 2 s  cpu · tiny · 1…');
  });
});

describe('messages of earlier runs', () => {
  it('lie where the system keeps the state of programs', () => {
    expect(historyFile({ XDG_STATE_HOME: '/x' }, 'linux')).toBe(join('/x', 'grafo', 'history'));
    expect(historyFile({}, 'linux')).toMatch(/\.local.state.grafo.history$/);
  });

  it('come back in order, with their lines, and what is not one is passed over', async () => {
    const path = join(scratch, 'new', 'history');
    expect(await readPast(path)).toEqual([]);
    await rememberMessage(path, 'one\ntwo');
    await rememberMessage(path, 'three');
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"no":"message"}\nnor this\n`);
    expect(await readPast(path)).toEqual(['one\ntwo', 'three']);
  });
});
