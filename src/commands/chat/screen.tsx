/** The drawn screen: a transcript that scrolls away upwards, below it the frame, and the keys that are pressed. */
import type { ReadStream, WriteStream } from 'node:tty';
import { render, Static, Text, useCursor } from 'ink';
import type { ReactNode } from 'react';
import type { Interrupts } from '../interrupts.ts';
import { complete } from './completion.ts';
import type { Frame, Size } from './frame.tsx';
import { answerRows, frameOf } from './frame.tsx';
import { openKeyboard } from './keyboard.ts';
import { type Effect, type Key, press } from './keys.ts';
import type { Entry, ScreenState } from './state.ts';
import { entryText } from './transcript.tsx';

export interface Terminal {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
}

/** The answer is laid out at most so often while it comes; what is typed is drawn at once. */
const FRAME_MS = 33;
/** Of the time, that takes at most one part in so many: a key must not wait for it. */
const FRAME_SHARE = 5;
/** How often the seconds of an answer are counted while nothing else happens. */
const TICK_MS = 500;
const CLEAR_SCREEN = '\x1b[2J\x1b[H';

/** The chat as it is drawn: state in, frames out, keys back. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #interrupts: Pick<Interrupts, 'press'>;
  readonly #ink: ReturnType<typeof render>;
  readonly #keyboard: { close(): void };
  /** Text of the entries that this drawing has shown. */
  readonly #transcript: string[] = [];
  #state: ScreenState;
  #columns: number;
  #drawn = 0;
  #frameMs = 0;
  /** The answer as it was laid out last, and of which state. */
  #laidOut: { readonly rows: readonly string[]; readonly of: ScreenState; readonly columns: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #left = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(terminal: Terminal, interrupts: Pick<Interrupts, 'press'>, state: ScreenState) {
    const { stdin, stdout } = terminal;
    this.#terminal = terminal;
    this.#interrupts = interrupts;
    this.#state = state;
    this.#columns = stdout.columns;
    // Before anything is drawn: the terminal itself would show what is typed.
    this.#keyboard = openKeyboard(stdin, stdout, this.#press);
    // Before ink listens: what a narrower terminal has wrapped must be gone when ink draws over it.
    stdout.on('resize', this.#resized);
    this.#ink = render(this.#view(), { stdout, stdin, exitOnCtrlC: false, patchConsole: false, maxFps: 1000 });
  }

  update(change: (state: ScreenState) => ScreenState): void {
    this.#state = change(this.#state);
    const wait = this.#drawn + Math.max(FRAME_MS, FRAME_SHARE * this.#frameMs) - performance.now();
    if (wait <= 0) this.#draw();
    else this.#drawWithin(wait);
  }

  /** The next message; undefined when somebody leaves. */
  async message(): Promise<string | undefined> {
    for (;;) {
      if (this.#left) return undefined;
      const [message, ...queue] = this.#state.queue;
      if (message !== undefined) {
        this.update((s) => ({ ...s, queue }));
        return message;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Something for the terminal itself. */
  send(sequence: string): void {
    this.#terminal.stdout.write(sequence);
  }

  readonly leave = (): void => {
    this.#left = true;
    this.#wake();
  };

  /** Gives the terminal back; the transcript stays on it. */
  async close(): Promise<void> {
    this.#keyboard.close();
    this.#terminal.stdout.off('resize', this.#resized);
    this.#draw();
    clearTimeout(this.#timer);
    this.#isClosed = true;
    this.#ink.rerender(<View drawing={this.#state.drawing.number} transcript={[...this.#transcript]} />);
    this.#ink.unmount();
    await this.#ink.waitUntilExit();
  }

  readonly #draw = (): void => {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const begun = performance.now();
    this.#laidOut = undefined;
    this.#ink.rerender(this.#view());
    this.#drawn = performance.now();
    this.#frameMs = this.#drawn - begun;
    if (this.#state.answering) this.#drawWithin(TICK_MS);
  };

  #drawWithin(ms: number): void {
    const due = performance.now() + ms;
    if (this.#timer && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(this.#draw, ms);
  }

  readonly #press = (key: Key): void => {
    const { state, effect } = press(this.#state, key);
    this.#state = state;
    this.#effects[effect]();
    if (this.#isClosed) return;
    this.#ink.rerender(this.#view());
    this.update((s) => s);
  };

  /** Rows of the answer: while it is only typed, those that are there, unless more than the answer's end has changed. */
  #answer(size: Size): readonly string[] {
    const { entries, answering } = this.#state;
    const known = this.#laidOut;
    const isSame =
      known?.columns === size.columns &&
      known.of.entries.length === entries.length &&
      known.of.answering?.begun === answering?.begun;
    if (known && isSame) return known.rows;
    const rows = answerRows(this.#state, size);
    this.#laidOut = { rows, of: this.#state, columns: size.columns };
    return rows;
  }

  readonly #effects: Readonly<Record<Effect, () => void>> = {
    none: () => undefined,
    submitted: () => this.#wake(),
    stop: () => this.#stop(),
    leave: () => {
      this.#stop();
      this.leave();
    },
    // The first one stops the answer; the next, or one while nothing is answered, ends the program.
    interrupt: () => {
      this.#markStopping();
      this.#interrupts.press();
    },
    complete: () => {
      this.#state = { ...this.#state, ...complete(this.#state.editor) };
    },
    redraw: () => this.#redraw(),
  };

  #stop(): void {
    if (this.#state.answering?.isStopping === false) this.#interrupts.press();
    this.#markStopping();
  }

  #markStopping(): void {
    const { answering } = this.#state;
    if (answering) this.#state = { ...this.#state, answering: { ...answering, isStopping: true } };
  }

  readonly #resized = (): void => {
    const { columns } = this.#terminal.stdout;
    // What is wider than the terminal is wrapped by it, in rows that nobody has counted.
    if (columns < this.#columns) this.#redraw();
    this.#columns = columns;
    this.#draw();
    // ink draws after this, without the cursor.
    setImmediate(this.#draw);
  };

  /** Draws the screen anew, as much of the transcript as it holds; what has scrolled away stays as it was. */
  #redraw(): void {
    const { entries, drawing } = this.#state;
    let room = this.#terminal.stdout.rows;
    let from = entries.length;
    while (from > 0 && room > 0) {
      const entry = entries[--from];
      if (entry) room -= this.#textOf(entry).split('\n').length;
    }
    this.#terminal.stdout.write(CLEAR_SCREEN);
    this.#transcript.length = 0;
    this.#state = { ...this.#state, drawing: { number: drawing.number + 1, from } };
  }

  #textOf(entry: Entry): string {
    return entryText(entry, { width: this.#terminal.stdout.columns, isUnfolded: this.#state.isUnfolded });
  }

  #view(): ReactNode {
    const { columns, rows } = this.#terminal.stdout;
    const { entries, drawing } = this.#state;
    // Entries become text before ink draws: within its drawing another one cannot begin.
    for (const entry of entries.slice(drawing.from + this.#transcript.length))
      this.#transcript.push(this.#textOf(entry));
    const size = { columns, rows };
    const frame = frameOf(this.#state, this.#answer(size), size, performance.now());
    return <View drawing={drawing.number} transcript={[...this.#transcript]} frame={frame} />;
  }
}

interface ViewProps {
  /** Another number draws the whole transcript again. */
  readonly drawing: number;
  readonly transcript: string[];
  /** None when the chat is over. */
  readonly frame?: Frame;
}

const View = ({ drawing, transcript, frame }: ViewProps): ReactNode => {
  useCursor().setCursorPosition(frame?.cursor);
  return (
    <>
      <Static key={drawing} items={transcript}>
        {(text, i) => <Text key={i}>{text}</Text>}
      </Static>
      {frame && <Text>{frame.text}</Text>}
    </>
  );
};
