/** A pseudo-terminal with grafo on it, behind a terminal emulator, for scripts that type and look. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';

/** For a busy machine. */
const PATIENCE_MS = 120_000;

const grafo = fileURLToPath(new URL('../bin/grafo.js', import.meta.url));

/**
 * Starts `grafo ...args`. `onData` hears what it writes, as it comes.
 * @param {readonly string[]} args
 * @param {{ columns: number, rows: number, env?: Record<string, string>, onData?: (text: string) => void }} options
 */
export const openTerminal = (args, { columns, rows, env, onData }) => {
  const { CI: _ci, NO_COLOR: _noColor, ...inherited } = process.env;
  const state = mkdtempSync(join(tmpdir(), 'grafo-state-'));
  const emulator = new xterm.Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true });
  const pty = spawn(process.execPath, [grafo, ...args], {
    cols: columns,
    rows,
    env: { ...inherited, TERM: 'xterm-256color', XDG_STATE_HOME: state, ...env },
  });
  pty.onData((text) => {
    emulator.write(text);
    onData?.(text);
  });
  const ended = new Promise((resolve) =>
    pty.onExit(({ exitCode }) => {
      rmSync(state, { recursive: true, force: true });
      emulator.write('', () => resolve(exitCode)); // when all that came before is on the screen
    }),
  );
  const { active } = emulator.buffer;
  const text = () =>
    Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true)).join('\n');
  const until = async (holds, what) => {
    const deadline = performance.now() + PATIENCE_MS;
    while (!holds(text())) {
      if (performance.now() > deadline) throw new Error(`did not see ${what} in\n${text()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return {
    emulator,
    ended,
    text,
    until,
    /** @param {string} keys */
    type: (keys) => pty.write(keys),
    /** @param {string} what */
    see: (what) => until((shown) => shown.includes(what), what),
  };
};
