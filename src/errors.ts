/** What a user can mend. `cli.ts` alone turns the kind into an exit code. */
export type ErrorKind =
  | 'usage' // unknown flag, bad value, no input
  | 'file' // missing or unreadable input, output not writable
  | 'model' // not a model, damaged, or of an unsupported type or architecture
  | 'device' // device or execution provider unavailable
  | 'capacity' // does not fit memory or context
  | 'partial' // some of several inputs failed
  | 'network'; // download failed, or offline and not cached

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
