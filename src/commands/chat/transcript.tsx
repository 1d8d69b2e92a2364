/** What was said, entry by entry, as rows of a terminal. */
import { Box, renderToString, Text } from 'ink';
import type { ReactNode } from 'react';
import { Code } from './code.tsx';
import type { Growing } from './growing.ts';
import { Markdown } from './markdown.tsx';
import type { Entry } from './state.ts';

/** An entry as text of `width` columns. */
export const entryText = (entry: Entry, { width, isUnfolded }: { width: number; isUnfolded: boolean }): string =>
  renderToString(<EntryView entry={entry} isUnfolded={isUnfolded} />, { columns: width });

/** The unfinished block of an answer as text of `width` columns. */
export const growingText = ({ text, fence, isApart }: Growing, width: number): string => {
  if (text === '' || (!fence && text.trim() === '')) return '';
  const code = fence && { language: fence.language, above: fence.above, lines: [text] };
  return renderToString(
    <Box marginTop={isApart ? 1 : 0}>{code ? <Code code={code} /> : <Markdown text={text.trimEnd()} />}</Box>,
    { columns: width },
  );
};

/** A thought that goes on as text of `width` columns. */
export const thoughtText = (text: string, width: number): string =>
  renderToString(
    <Box marginTop={1} paddingLeft={2}>
      <Text dimColor>{text.trimEnd()}</Text>
    </Box>,
    { columns: width },
  );

const EntryView = ({ entry, isUnfolded }: { readonly entry: Entry; readonly isUnfolded: boolean }): ReactNode => {
  switch (entry.kind) {
    case 'asked':
      return (
        <Box marginTop={1}>
          <Text bold color="green">
            {'> '}
          </Text>
          <Text bold>{entry.text}</Text>
        </Box>
      );
    case 'thought':
      return (
        <Box marginTop={1} flexDirection="column">
          <Text
            dimColor
          >{`${isUnfolded ? '▾' : '▸'} thought for ${entry.seconds.toFixed(1)} s, Ctrl-O ${isUnfolded ? 'folds' : 'unfolds'}`}</Text>
          {isUnfolded && (
            <Box paddingLeft={2}>
              <Text dimColor>{entry.text.trimEnd()}</Text>
            </Box>
          )}
        </Box>
      );
    case 'blocks':
      return (
        <Box marginTop={entry.isApart ? 1 : 0}>
          <Markdown text={entry.text} />
        </Box>
      );
    case 'code':
      return (
        <Box marginTop={entry.isApart ? 1 : 0}>
          <Code code={entry.code} />
        </Box>
      );
    case 'note':
      return (
        <Box marginTop={1}>
          <Text {...(entry.tone === 'wrong' ? { color: 'red' } : { dimColor: true })}>{entry.text}</Text>
        </Box>
      );
  }
};
