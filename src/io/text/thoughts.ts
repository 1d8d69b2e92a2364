/** What a reasoning model thinks and what it says, told apart while it is written: `<think>...</think>`, then the text. */

const [OPEN, CLOSE] = ['<think>', '</think>'];

/** Something the model wrote, without the tags. */
export interface Piece {
  readonly kind: 'thought' | 'text';
  readonly text: string;
}

export interface ThoughtSplitter {
  /** Whether what comes next is a thought. */
  readonly isThinking: boolean;
  /** What is certain after this text. */
  push(text: string): Piece[];
  /** What was held back: the beginning of a tag that did not come. */
  end(): Piece[];
}

/** Whether a prompt leaves the model inside of a thought, as templates do that write the tag themselves. */
export const opensThought = (prompt: string): boolean => prompt.trimEnd().endsWith(OPEN);

/**
 * Splits what comes after a prompt. Thoughts stand only at the beginning: a tag later on is text like any other. The
 * line breaks around a tag belong to it.
 * @param isOpen the prompt has begun a thought
 */
export const thoughtSplitter = (isOpen: boolean): ThoughtSplitter => {
  let state: 'start' | 'thought' | 'after' | 'text' = isOpen ? 'thought' : 'start';
  let held = '';
  let isFresh = true;

  const piece = (kind: Piece['kind'], text: string): Piece[] => (text === '' ? [] : [{ kind, text }]);

  const advance = (): Piece[] => {
    switch (state) {
      case 'start': {
        const begun = held.trimStart();
        if (begun.startsWith(OPEN)) {
          state = 'thought';
          held = begun.slice(OPEN.length);
          return advance();
        }
        if (OPEN.startsWith(begun)) return [];
        state = 'text';
        return advance();
      }
      case 'thought': {
        if (isFresh) held = held.replace(/^\s+/, '');
        // A model may repeat the tag that its prompt ended with.
        if (isFresh && isOpen && held.startsWith(OPEN)) held = held.slice(OPEN.length).replace(/^\s+/, '');
        if (isFresh && isOpen && held !== '' && OPEN.startsWith(held)) return [];
        const at = held.indexOf(CLOSE);
        if (at >= 0) {
          const thought = held.slice(0, at).trimEnd();
          held = held.slice(at + CLOSE.length);
          state = 'after';
          return [...piece('thought', thought), ...advance()];
        }
        // Line breaks before the closing tag belong to it, so they wait for what follows.
        const certain = held.length - (/\s*(?:<(?:\/(?:t(?:h(?:i(?:n(?:k)?)?)?)?)?)?)?$/.exec(held)?.[0].length ?? 0);
        const thought = held.slice(0, certain);
        held = held.slice(certain);
        isFresh &&= thought === '';
        return piece('thought', thought);
      }
      case 'after':
        held = held.trimStart();
        if (held === '') return [];
        state = 'text';
        return advance();
      case 'text': {
        const text = held;
        held = '';
        return piece('text', text);
      }
    }
  };

  return {
    get isThinking() {
      return state === 'thought';
    },
    push(text) {
      held += text;
      return advance();
    },
    end() {
      const rest = piece(state === 'thought' ? 'thought' : 'text', state === 'after' ? '' : held);
      held = '';
      return rest;
    },
  };
};
