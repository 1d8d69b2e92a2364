/**
 * Markdown while it is written: what later text cannot change any more is split off and shown for good, so that only
 * the last block of an answer is ever drawn again. Blocks end at blank lines, before the next item of a list and after
 * a heading; code ends with every line.
 */

/** Part of an answer that will not change. */
export type Settled =
  | { readonly kind: 'blocks'; readonly text: string; readonly isApart: boolean }
  | { readonly kind: 'code'; readonly code: CodeLines; readonly isApart: boolean };

/** Lines of a fenced block, and those before them, by which a highlighter knows where it is. */
export interface CodeLines {
  readonly language: string;
  readonly above: readonly string[];
  readonly lines: readonly string[];
}

/** What may change yet. */
export interface Growing {
  /** The unfinished text; inside a fence the unfinished line of code. */
  readonly text: string;
  /** The fence that is open. */
  readonly fence?: { readonly mark: string; readonly language: string; readonly above: readonly string[] };
  /** Whether a blank line, or the beginning of the answer, stands before what comes next. */
  readonly isApart: boolean;
}

/** An answer before its first piece. */
export const nothingYet: Growing = { text: '', isApart: true };

/** Lines of code that a highlighter is shown before those it colours. */
const ABOVE = 80;

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^#{1,6}\s/;
const ITEM = /^(?:[-*+]|\d{1,9}[.)])\s/;

/**
 * Adds text; gives what is settled by it and what is not.
 * @param isLast whether nothing comes after it
 */
export const grow = (
  growing: Growing,
  text: string,
  isLast = false,
): { readonly settled: readonly Settled[]; readonly growing: Growing } => {
  const settled: Settled[] = [];
  let { fence, isApart } = growing;
  let block: string[] = [];
  let code: string[] = [];
  /** A blank line has come after the block: it ends unless it goes on indented, as a list does. */
  let isPaused = false;

  const settleBlock = (): void => {
    const lines = block.join('\n').trim() === '' ? [] : block;
    if (lines.length > 0) settled.push({ kind: 'blocks', text: lines.join('\n').trimEnd(), isApart });
    isApart = lines.length > 0 ? isPaused : isApart || block.length > 0;
    block = [];
    isPaused = false;
  };
  const settleCode = (): void => {
    if (!fence || code.length === 0) return;
    const { language, above } = fence;
    settled.push({ kind: 'code', code: { language, above, lines: code }, isApart });
    fence = { ...fence, above: [...above, ...code].slice(-ABOVE) };
    isApart = false;
    code = [];
  };

  const lines = (growing.text + text).split('\n');
  const unfinished = lines.pop() ?? '';
  const take = (line: string, isWhole: boolean): void => {
    if (fence) {
      const closes = line.trim().startsWith(fence.mark) && line.trim().replaceAll(fence.mark.charAt(0), '') === '';
      if (!closes) code.push(line);
      else {
        settleCode();
        fence = undefined;
        isApart = true;
      }
      return;
    }
    if (line.trim() === '') {
      block.push(line);
      isPaused = true;
      return;
    }
    const opens = isWhole ? FENCE.exec(line) : null;
    const begins = (isPaused && !/^\s/.test(line)) || opens || HEADING.test(line) || ITEM.test(line);
    if (begins && block.length > 0) settleBlock();
    isPaused = false;
    if (opens) {
      fence = { mark: opens[1] ?? '```', language: opens[2] ?? '', above: [] };
      return;
    }
    block.push(line);
    if (isWhole && HEADING.test(line)) settleBlock();
  };

  for (const line of lines) take(line, true);
  if (isLast) {
    if (unfinished !== '') take(unfinished, true);
    settleCode();
    if (!fence) settleBlock();
    return { settled, growing: nothingYet };
  }
  if (fence) {
    settleCode();
    return { settled, growing: { text: unfinished, fence, isApart } };
  }
  // The beginning of a line tells whether the block before it goes on.
  if (unfinished !== '' && !couldBecomeMark(unfinished)) take(unfinished, false);
  else block.push(unfinished);
  return { settled, growing: { text: block.join('\n'), isApart } };
};

/** Whether more text may turn this beginning of a line into a fence, a heading or a list's item. */
const couldBecomeMark = (line: string): boolean =>
  /^ {0,3}(?:`{1,}[^`]*|~{1,}[^~]*|#{1,6}|[-*+]|\d{1,9}[.)]?)$/.test(line);
