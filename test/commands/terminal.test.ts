/** grafo at a terminal: a pseudo-terminal types, interrupts and reads the screen. */
import { describe, expect, it } from 'vitest';
import { fixture } from '../fixtures.ts';
import { openPty } from './pty.ts';

const model = fixture('llama/gqa-f32.gguf');
/** Random weights would go on for ever, in characters of all kinds; the seed keeps them to themselves. */
const endless = ['--ignore-eos', '--temp', '0', '-c', '512'];

/** grafo llama with the model, read as it writes: every text is waited for behind the one before. */
const open = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const pty = openPty(['llama', '-m', model, ...args], { columns: 100, rows: 40, env });
  let seen = 0;
  return {
    type: pty.type,
    ended: pty.ended,
    /** All that was shown. */
    screen: pty.written,
    /** Waits for this text; gives what was shown up to its end. */
    async see(text: string | RegExp): Promise<string> {
      const deadline = performance.now() + 20_000;
      for (;;) {
        const rest = pty.written().slice(seen);
        const found = typeof text === 'string' ? rest.indexOf(text) : rest.search(text);
        if (found >= 0) {
          const length = typeof text === 'string' ? text.length : (text.exec(rest)?.[0].length ?? 0);
          seen += found + length;
          return rest.slice(0, found + length);
        }
        if (performance.now() > deadline) throw new Error(`did not see ${text} in ${JSON.stringify(rest.slice(-400))}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
};

/** What readline writes before a line is typed: it clears the rest of the screen, then its prompt. */
const WAITS = '\x1b[0J> ';
const GOES_ON = '\x1b[0J. ';

const CTRL_C = '\x03';
const CTRL_D = '\x04';

describe('a completion at a terminal', () => {
  it('shows the prompt in a colour, then the text, and leaves no bar behind', async () => {
    const terminal = open(['-p', 'Hello', '-n', '4', ...endless]);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen()).toContain('\x1b[33mHello\x1b[0m');
    expect(terminal.screen()).not.toMatch(/preparing weights \[[#.]+\] \d+%[^\r]/);
  });

  it.each([
    ['NO_COLOR', { NO_COLOR: '1' }, []],
    ['--color off', {}, ['--color', 'off']],
  ])('has no colour with %s', async (_, env, flags) => {
    const terminal = open(['-p', 'Hello', '-n', '4', ...endless, ...flags], env);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen()).toContain('Hello');
    expect(terminal.screen()).not.toContain('\x1b[33m');
  });

  it('stops at Ctrl-C, says how far it came, and exits with 130', async () => {
    const terminal = open(['-p', 'Hello', ...endless, '-c', '100000']);
    await terminal.see('Hello');
    terminal.type(CTRL_C);
    expect(await terminal.ended).toBe(130);
    expect(terminal.screen()).toMatch(/\[ Prompt: .*\]\r\n$/);
  });
});

describe('a chat in plain lines', () => {
  const chat = ['-cnv', '--simple-io', '--chat-template', 'chatml', '-n', '5', ...endless];

  it('answers one message after the other, computes only what is new, and ends with Ctrl-D', async () => {
    const terminal = open([...chat, '--perf']);
    const computed = async (message: string): Promise<number> => {
      await terminal.see(WAITS);
      terminal.type(`${message}\r`);
      return Number(/\d+(?= tokens)/.exec(await terminal.see(/prompt eval time = .* tokens/))?.[0]);
    };
    const first = await computed('Hi');
    expect(first).toBeGreaterThan(20);
    expect(await computed('Hi')).toBeLessThan(1.5 * first);
    await terminal.see(WAITS);
    terminal.type(CTRL_D);
    expect(await terminal.ended).toBe(0);
  });

  it('joins lines that end in a backslash, and knows its commands', async () => {
    const terminal = open(chat);
    await terminal.see(WAITS);
    terminal.type('/help\r');
    await terminal.see('/undo');
    await terminal.see(WAITS);
    terminal.type('one\\\r');
    await terminal.see(GOES_ON);
    terminal.type('two\r');
    await terminal.see(/\[ Prompt: .*\]/);
    await terminal.see(WAITS);
    terminal.type('/regen\r');
    await terminal.see(/\[ Prompt: .*\]/);
    await terminal.see(WAITS);
    terminal.type('/exit\r');
    expect(await terminal.ended).toBe(0);
  });

  it('Ctrl-C stops an answer and gives the word back; while waiting it ends the program with 130', async () => {
    const terminal = open(['-cnv', '--simple-io', '--chat-template', 'chatml', ...endless, '-c', '100000']);
    await terminal.see(WAITS);
    terminal.type('Hi\r');
    // The echo of what was typed, then something of the answer.
    await terminal.see(/Hi\r*\n.{20}/s);
    terminal.type(CTRL_C);
    await terminal.see(/\[ Prompt: .*\]/);
    await terminal.see(WAITS);
    terminal.type(CTRL_C);
    expect(await terminal.ended).toBe(130);
  });

  it('takes what was typed while an answer was written', async () => {
    const terminal = open(chat);
    await terminal.see(WAITS);
    terminal.type('Hi\rAnd you\r');
    await terminal.see(/\[ Prompt: .*\]/);
    await terminal.see(/\[ Prompt: .*\]/);
    await terminal.see(WAITS);
    terminal.type('/bye\r');
    expect(await terminal.ended).toBe(0);
  });
});
