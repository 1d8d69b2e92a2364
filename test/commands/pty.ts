/** grafo on a pseudo-terminal, behind a terminal emulator: keys go in, the screen is read as a person would see it. */
import { spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { environment, grafoFile } from './run.ts';

export interface Pty {
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** The screen and what has scrolled off it, without blanks at the ends of lines. */
  screen(): string;
  /** Row and column of the cursor on the screen. */
  cursor(): { readonly x: number; readonly y: number };
  /** The text left of the cursor in its row. */
  beforeCursor(): string;
  /** All that was written, as it came. */
  written(): string;
  /** Waits until the screen shows this. */
  see(text: string | RegExp): Promise<void>;
  /** Waits until the screen no longer shows this. */
  miss(text: string): Promise<void>;
  /** Waits for the program to end. */
  readonly ended: Promise<number>;
}

export interface PtyOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: NodeJS.ProcessEnv;
}

const PATIENCE_MS = 40_000;

/** Starts `grafo ...args` on a terminal of 80 columns and 24 rows. */
export const openPty = (args: readonly string[], { columns = 80, rows = 24, env = {} }: PtyOptions = {}): Pty => {
  const { CI: _ci, NO_COLOR: _noColor, ...inherited } = environment(env);
  const screen = new xterm.Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true });
  const pty = spawn(process.execPath, [grafoFile, ...args], {
    cols: columns,
    rows,
    env: { ...inherited, TERM: 'xterm-256color', ...env },
  });
  let written = '';
  pty.onData((text) => {
    written += text;
    screen.write(text);
  });
  // What the emulator answers, such as to a question where the cursor is.
  screen.onData((text) => pty.write(text));
  const { buffer } = screen;
  const rowText = (row: number, end?: number) => buffer.active.getLine(row)?.translateToString(true, 0, end) ?? '';
  const shown = () =>
    Array.from({ length: buffer.active.length }, (_, row) => rowText(row).trimEnd())
      .join('\n')
      .trimEnd();
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    const deadline = performance.now() + PATIENCE_MS;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`${what} in\n${shown()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return {
    type: (keys) => pty.write(keys),
    resize(toColumns, toRows) {
      screen.resize(toColumns, toRows);
      pty.resize(toColumns, toRows);
    },
    screen: shown,
    cursor: () => ({ x: buffer.active.cursorX, y: buffer.active.cursorY }),
    beforeCursor: () => rowText(buffer.active.baseY + buffer.active.cursorY, buffer.active.cursorX),
    written: () => written,
    see: (text) =>
      until(() => (typeof text === 'string' ? shown().includes(text) : text.test(shown())), `did not see ${text}`),
    miss: (text) => until(() => !shown().includes(text), `still saw ${text}`),
    ended: new Promise((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode))),
  };
};
