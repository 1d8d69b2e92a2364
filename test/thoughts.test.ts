import { describe, expect, it } from 'vitest';
import { opensThought, thoughtSplitter } from '../src/io/text/thoughts.ts';

interface Case {
  readonly what: string;
  /** The prompt ends with the tag. */
  readonly isOpen?: boolean;
  readonly written: string;
  readonly thought: string;
  readonly text: string;
}

const cases: readonly Case[] = [
  { what: 'text alone', written: 'Yes.', thought: '', text: 'Yes.' },
  { what: 'a thought, then text', written: '<think>\nhm\n</think>\n\nYes.', thought: 'hm', text: 'Yes.' },
  { what: 'line breaks before the tag', written: '\n\n<think>hm</think>Yes.', thought: 'hm', text: 'Yes.' },
  { what: 'a tag that the template wrote', isOpen: true, written: 'hm\n</think>\n\nYes.', thought: 'hm', text: 'Yes.' },
  { what: 'a tag written twice', isOpen: true, written: '<think>\nhm\n</think>\nYes.', thought: 'hm', text: 'Yes.' },
  { what: 'no thought in the tags', written: '<think>\n\n</think>\n\nYes.', thought: '', text: 'Yes.' },
  {
    what: 'no thought in a tag of the template',
    isOpen: true,
    written: '\n</think>\n\nYes.',
    thought: '',
    text: 'Yes.',
  },
  { what: 'a thought that does not end', written: '<think>hm, <b', thought: 'hm, <b', text: '' },
  { what: 'a thought that ends with half a tag', isOpen: true, written: 'hm </thi', thought: 'hm </thi', text: '' },
  {
    what: 'other tags',
    isOpen: true,
    written: 'a < b, </b> </ think></think>< c',
    thought: 'a < b, </b> </ think>',
    text: '< c',
  },
  { what: 'a tag later in the text', written: 'Write <think> here.', thought: '', text: 'Write <think> here.' },
  { what: 'a second thought', written: '<think>a</think>b<think>c</think>', thought: 'a', text: 'b<think>c</think>' },
  { what: 'the beginning of a tag and no more', written: '<thin', thought: '', text: '<thin' },
  { what: 'what only looks like a tag', written: ' <thing>', thought: '', text: ' <thing>' },
  {
    what: 'line breaks inside of both',
    written: '<think>a\n\nb\n</think>\n\nc\n\nd\n',
    thought: 'a\n\nb',
    text: 'c\n\nd\n',
  },
  { what: 'nothing', written: '', thought: '', text: '' },
];

describe.each(cases)('$what', ({ isOpen = false, written, thought, text }) => {
  it.each([1, 2, 3, 100])('is told apart as it comes in pieces of %d characters', (length) => {
    const splitter = thoughtSplitter(isOpen);
    const said = { thought: '', text: '' };
    for (let at = 0; at < written.length; at += length)
      for (const piece of splitter.push(written.slice(at, at + length))) said[piece.kind] += piece.text;
    for (const piece of splitter.end()) said[piece.kind] += piece.text;
    expect(said).toEqual({ thought, text });
  });
});

it('text is given as soon as it is certain', () => {
  const splitter = thoughtSplitter(true);
  expect(splitter.push('one ')).toEqual([{ kind: 'thought', text: 'one' }]);
  expect(splitter.push('two')).toEqual([{ kind: 'thought', text: ' two' }]);
  expect(splitter.isThinking).toBe(true);
  expect(splitter.push('</think>')).toEqual([]);
  expect(splitter.push('Yes')).toEqual([{ kind: 'text', text: 'Yes' }]);
  expect(splitter.isThinking).toBe(false);
});

it.each([
  ['<｜Assistant｜><think>\n', true],
  ['<｜Assistant｜><think>', true],
  ['<｜Assistant｜></think>', false],
  ['Write <think> here', false],
  ['', false],
])('a prompt that ends with %j leaves the model in a thought: %s', (prompt, expected) => {
  expect(opensThought(prompt)).toBe(expected);
});
