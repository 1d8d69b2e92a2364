/** stdout and stderr as a command uses them: results apart from everything else, a closed pipe is no error. */
import { UserError } from '../errors.ts';

/** Ends a run quietly when whoever read stdout has gone (`| head -1`). */
export const onClosedPipe = (stop: () => void): void => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    stop();
  });
};

/** Writes results; resolves when more may be written, so that a slow reader is never flooded. */
export const write = (text: string): Promise<void> =>
  new Promise((resolve) => {
    if (process.stdout.destroyed || process.stdout.write(text)) resolve();
    else {
      process.stdout.once('drain', resolve);
      process.stdout.once('close', resolve);
    }
  });

/** A line on stderr that is rewritten while something long goes on; nothing where stderr is no terminal. */
export const progressLine = (what: string): { update(done: number, total: number): void; end(): void } => {
  const shown = process.stderr.isTTY === true && !process.env.CI;
  let last = -1;
  return {
    update(done, total) {
      const percent = Math.floor((100 * done) / total);
      if (!shown || percent === last) return;
      last = percent;
      const filled = Math.round(percent / 5);
      process.stderr.write(`\r${what} [${'#'.repeat(filled)}${'.'.repeat(20 - filled)}] ${percent}%`);
    },
    end() {
      if (shown && last >= 0) process.stderr.write('\r\x1b[2K');
    },
  };
};

/** All of stdin as text. */
export const readStdin = async (): Promise<string> => {
  const parts: Buffer[] = [];
  try {
    for await (const part of process.stdin) parts.push(part as Buffer);
  } catch (error) {
    throw new UserError('file', `cannot read stdin: ${(error as Error).message}`);
  }
  return Buffer.concat(parts).toString('utf8');
};

/**
 * Ctrl-C: the first asks what goes on to stop, the second ends the program. A run on the device cannot be cut short,
 * and to leave while it goes on would abort the process, so the end comes when it is over.
 */
export class Interrupts {
  #current = new AbortController();
  #count = 0;
  #leave: (() => void) | undefined;

  constructor() {
    process.on('SIGINT', this.#pressed);
    process.on('SIGTERM', this.#terminated);
  }

  /** Aborts at the next Ctrl-C. A new one is due for each answer. */
  get signal(): AbortSignal {
    return this.#current.signal;
  }

  /** Whether the program should end: Ctrl-C twice, or a request to terminate. */
  get leaving(): boolean {
    return this.#count > 1;
  }

  /** 130 after Ctrl-C, 143 after a request to terminate. */
  exitCode = 130;

  /** Forgets earlier presses: the next one stops only what begins now. */
  renew(): AbortSignal {
    if (!this.leaving) {
      this.#current = new AbortController();
      this.#count = 0;
    }
    return this.signal;
  }

  /** Called when the program should end while it waits for a person. */
  onLeave(leave: () => void): void {
    this.#leave = leave;
  }

  dispose(): void {
    process.off('SIGINT', this.#pressed);
    process.off('SIGTERM', this.#terminated);
  }

  readonly #pressed = (): void => {
    this.#count++;
    this.#current.abort();
    if (this.leaving) this.#leave?.();
  };

  readonly #terminated = (): void => {
    this.exitCode = 143;
    this.#count = 2;
    this.#current.abort();
    this.#leave?.();
  };
}
