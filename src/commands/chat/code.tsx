/** Code in colours. The names of languages and of kinds of words are highlight.js's. */
import type { ElementContent, RootContent } from 'hast';
import { Box, Text } from 'ink';
import { common, createLowlight } from 'lowlight';
import type { ReactNode } from 'react';
import type { CodeLines } from './growing.ts';

const lowlight = createLowlight(common);

/** Colours of a terminal's own palette, which fit its background. */
const colours: Readonly<Record<string, string>> = {
  'hljs-keyword': 'magenta',
  'hljs-literal': 'magenta',
  'hljs-string': 'green',
  'hljs-regexp': 'green',
  'hljs-number': 'yellow',
  'hljs-comment': 'gray',
  'hljs-title': 'blue',
  'hljs-built_in': 'cyan',
  'hljs-type': 'cyan',
  'hljs-attr': 'cyan',
  'hljs-attribute': 'cyan',
  'hljs-name': 'blue',
  'hljs-meta': 'gray',
  'hljs-addition': 'green',
  'hljs-deletion': 'red',
};

/** Lines of a fenced block; the lines above them only tell the highlighter where it is. */
export const Code = ({ code: { language, above, lines } }: { readonly code: CodeLines }): ReactNode => {
  const spans = highlighted([...above, ...lines].join('\n'), language);
  return (
    <Box paddingLeft={2}>
      <Text>
        {linesFrom(spans, above.length).map(({ text, colour }, i) => (
          <Text key={i} {...(colour !== undefined && { color: colour })}>
            {text}
          </Text>
        ))}
      </Text>
    </Box>
  );
};

interface Span {
  readonly text: string;
  readonly colour: string | undefined;
}

const highlighted = (text: string, language: string): readonly Span[] => {
  if (!lowlight.registered(language)) return [{ text, colour: undefined }];
  return lowlight.highlight(language, text).children.flatMap((node) => spansOf(node, undefined));
};

const spansOf = (node: RootContent | ElementContent, colour: string | undefined): Span[] => {
  if (node.type === 'text') return [{ text: node.value, colour }];
  if (node.type !== 'element') return [];
  const classes = [node.properties.className].flat().map(String);
  const own = classes.map((name) => colours[name]).find((found) => found !== undefined);
  return node.children.flatMap((child) => spansOf(child, own ?? colour));
};

/** What stands behind the first `skipped` line breaks; an empty line keeps its place. */
const linesFrom = (spans: readonly Span[], skipped: number): readonly Span[] => {
  let left = skipped;
  const kept: Span[] = [];
  for (const { text, colour } of spans) {
    let from = 0;
    while (left > 0) {
      const at = text.indexOf('\n', from);
      if (at < 0) break;
      from = at + 1;
      left--;
    }
    if (left === 0) kept.push({ text: text.slice(from), colour });
  }
  const isEmpty = kept.every(({ text }) => text === '');
  return isEmpty ? [{ text: ' ', colour: undefined }] : kept;
};
