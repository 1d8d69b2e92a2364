/** What a user can mend. */
export type ErrorKind =
  | 'usage' // unknown flag, bad value, no input
  | 'file' // missing or unreadable input, output not writable
  | 'model' // not a model, damaged, or of an unsupported type or architecture
  | 'device' // device or execution provider unavailable
  | 'capacity' // does not fit memory or context
  | 'partial' // some of several inputs failed
  | 'network'; // download failed, or offline and not cached

/** What a process exits with, by kind; 1 is a mistake in grafo. */
export const exitCodes: Readonly<Record<ErrorKind, number>> = {
  usage: 2,
  file: 3,
  model: 4,
  device: 5,
  capacity: 6,
  partial: 7,
  network: 8,
};

/**
 * An error with one sentence that says what is wrong, and a hint that says what to do.
 * Anything thrown that is not a UserError is a mistake in grafo.
 */
export class UserError extends Error {
  readonly kind: ErrorKind;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, hint?: string) {
    super(message);
    this.name = 'UserError';
    this.kind = kind;
    this.hint = hint;
  }
}

/** The sentence of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
