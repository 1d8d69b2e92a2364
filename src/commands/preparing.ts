/** How far a model's weights are while it is opened. */
import { Interrupted } from '../models/decoder.ts';
import type { PlacementOptions } from './placement.ts';
import { progressLine } from './terminal.ts';

interface Watch {
  readonly isQuiet: boolean;
  /** Asks to stop. */
  readonly signal: AbortSignal;
  /** One line for a person. */
  notice(line: string): void;
}

/**
 * Opens a model below a bar that shows how far its weights are; what is told meanwhile takes the bar away first.
 * @throws Interrupted when the signal asks to stop, and what `open` throws
 */
export const whilePreparing = async <R>(
  { isQuiet, signal, notice }: Watch,
  open: (hooks: Required<Pick<PlacementOptions, 'progress' | 'notice'>>) => Promise<R>,
): Promise<R> => {
  const bar = progressLine('preparing weights', isQuiet);
  try {
    return await open({
      notice(line) {
        bar.end();
        notice(line);
      },
      progress(done, total) {
        if (signal.aborted) throw new Interrupted();
        bar.update(done, total);
      },
    });
  } finally {
    bar.end();
  }
};
