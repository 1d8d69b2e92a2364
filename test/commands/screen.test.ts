/** The drawn chat on a pseudo-terminal, its screens compared as text. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture, scratch } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';
import { openPty, type PtyOptions } from './pty.ts';

const CTRL_C = '\x03';
const CTRL_D = '\x04';
const PASTE = (text: string) => `\x1b[200~${text}\x1b[201~`;

const stateFolder = join(scratch, 'state');
const open = (model: string, args: readonly string[], options: PtyOptions = {}) =>
  openPty(['llama', '-m', model, '-cnv', '--chat-template', 'chatml', '--temp', '0', ...args], {
    ...options,
    env: { XDG_STATE_HOME: stateFolder, ...options.env },
  });

/** What differs from run to run. */
const steady = (screen: string): string =>
  screen.replace(/[\d.]+ t\/s/g, 'N t/s').replace(/first token \d+ ms/g, 'first token N ms');

describe('a drawn chat', () => {
  const model = fixture('llama/gqa-f32.gguf');

  it('takes typing and pasting while it answers, stops at Ctrl-C, and goes on', async () => {
    const pty = open(model, ['--ignore-eos', '-c', '100000', '-q']);
    await pty.see('100000 left');
    pty.type('Hi\r');
    await pty.see('answering');
    // Wide characters, and an emoji of two code points, are one step of the cursor each.
    pty.type('a日本👍🏽');
    await pty.see('> a日本👍');
    pty.type('\x7f\x7f!');
    await pty.see('> a日!');
    pty.type(PASTE('\x15one\r\ntwo'));
    await pty.see('. two');
    expect(pty.screen()).toContain('> a日!one\n. two');
    expect(pty.beforeCursor()).toBe('. two');
    pty.type(CTRL_C);
    await pty.see('stopped');
    expect(pty.screen()).toContain('> a日!one\n. two');
    pty.type(CTRL_C);
    await pty.see('Ctrl-C again leaves');
    expect(pty.screen()).not.toContain('> a日!one');
    pty.type(CTRL_C);
    expect(await pty.ended).toBe(130);
    // The terminal is as it was: no paste marks, a cursor, and nothing of the frame.
    expect(pty.written()).toContain('\x1b[?2004l');
    expect(pty.screen()).not.toContain('left ·');
  });

  it('begins, and says so, where messages of earlier runs cannot be read', async () => {
    const pty = open(model, ['-q'], { env: { XDG_STATE_HOME: model } });
    await pty.see('messages of earlier runs cannot be brought back');
    pty.type(CTRL_D);
    expect(await pty.ended).toBe(0);
  });

  const stories = sharedData('llama/stories260K.gguf', 'a conversation as a screen');
  it.skipIf(!stories)(
    'shows a conversation, folds it into a narrower terminal, and remembers what was asked',
    async () => {
      const pty = open(stories ?? '', ['-n', '12', '-q', '-c', '300'], { rows: 12 });
      await pty.see('300 left');
      pty.type('Once upon a time\r');
      await pty.see('t/s');
      expect(steady(pty.screen())).toMatchInlineSnapshot(`
        "
        /help shows the commands, Ctrl-D leaves; a line goes on after \\ or Alt-Enter,
        many lines between """

        > Once upon a time

        "Here?" Asked J

        >
        cpu · stories260K · 57 of 300 tokens, 243 left · N t/s · first token N ms"
      `);
      pty.type('/un\t\r');
      await pty.see('taken back');
      // The message is in the editor again, to be changed.
      await pty.see('> Once upon a time\ncpu');
      pty.resize(30, 12);
      await pty.see('…');
      const rows = pty.screen().split('\n').slice(-12);
      expect(steady(rows.join('\n'))).toMatchInlineSnapshot(`
        "Ctrl-D leaves; a line goes on
        after \\ or Alt-Enter, many
        lines between """

        > Once upon a time

        "Here?" Asked J

        the last message is taken back

        > Once upon a time
        cpu · stories260K · 57 of 300…"
      `);
      pty.type('\x15/exit\r');
      expect(await pty.ended).toBe(0);
      const remembered = readFileSync(join(stateFolder, 'grafo', 'history'), 'utf8');
      expect(remembered.split('\n')).toEqual(['"Hi"', '"Once upon a time"', '"/undo"', '"/exit"', '']);
    },
  );

  it.each([
    ['NO_COLOR', { NO_COLOR: '1' }, []],
    ['TERM=dumb', { TERM: 'dumb' }, []],
    ['--simple-io', {}, ['--simple-io']],
  ])('gives way to plain lines with %s', async (_, env, flags) => {
    const pty = open(model, ['-q', '-n', '3', ...flags], { env });
    await pty.see('/help shows');
    pty.type(CTRL_D);
    expect(await pty.ended).toBe(0);
    expect(pty.written()).not.toContain('\x1b[?2004h');
  });
});
