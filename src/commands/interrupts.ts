/** Ctrl-C, requests to terminate, and readers that have gone: what they stop, and the exit code they leave. */
import { Interrupted } from '../models/decoder.ts';
import { onClosedPipe } from './terminal.ts';

const PRESSED = 130; // 128 + SIGINT
const TERMINATED = 143; // 128 + SIGTERM

/**
 * The first Ctrl-C stops the work that goes on, the second ends the program; where it only waits, the first one does.
 * A run on the device cannot be cut short, and to leave while it goes on would abort the process, so even the end
 * comes when it is over.
 */
export class Interrupts {
  #work = new AbortController();
  #leave: (() => void) | undefined;
  #leaving = false;
  #exitCode = PRESSED;

  constructor() {
    process.on('SIGINT', this.press);
    process.on('SIGTERM', this.#terminate);
  }

  /** Aborted when the work that goes on should stop. */
  get signal(): AbortSignal {
    return this.#work.signal;
  }

  /** Whether the program should end. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** What the process should exit with if it was interrupted. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Work begins: earlier presses are forgotten, the next one stops it. */
  begin(): AbortSignal {
    this.#leave = undefined;
    if (!this.#leaving) this.#work = new AbortController();
    return this.signal;
  }

  /** Nothing goes on but waiting: the next press ends the program, by way of `leave`. */
  wait(leave: () => void): void {
    this.#leave = leave;
    if (this.#leaving) leave();
  }

  /** Ends the program with this code as soon as what goes on allows it. */
  readonly end = (exitCode: number): void => {
    this.#exitCode = exitCode;
    this.#leaving = true;
    this.#work.abort();
    this.#leave?.();
  };

  /** Ctrl-C. */
  readonly press = (): void => {
    if (this.#leave || this.signal.aborted) this.end(this.#leaving ? this.#exitCode : PRESSED);
    else this.#work.abort();
  };

  /** Gives the signals back to the system. */
  dispose(): void {
    process.off('SIGINT', this.press);
    process.off('SIGTERM', this.#terminate);
  }

  readonly #terminate = (): void => this.end(TERMINATED);
}

/** Does work that all of these may stop. @returns its exit code, or theirs where it was stopped by Interrupted */
export const interruptible = async (work: (interrupts: Interrupts) => Promise<number>): Promise<number> => {
  const interrupts = new Interrupts();
  onClosedPipe(() => interrupts.end(0));
  try {
    return await work(interrupts);
  } catch (error) {
    if (error instanceof Interrupted) return interrupts.exitCode;
    throw error;
  } finally {
    interrupts.dispose();
  }
};
