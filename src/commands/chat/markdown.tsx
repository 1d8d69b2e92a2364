/** Markdown as text of a terminal, lightly: what is emphasised, listed, quoted or code looks so; nothing is left out. */
import { Box, Text } from 'ink';
import { lexer, type Token, type Tokens } from 'marked';
import type { ReactNode } from 'react';
import stringWidth from 'string-width';
import { Code } from './code.tsx';

/** Whole blocks; one blank line stands between two of them where the text has any. */
export const Markdown = ({ text }: { readonly text: string }): ReactNode => <Blocks tokens={lexer(text)} />;

const Blocks = ({ tokens }: { readonly tokens: readonly Token[] }): ReactNode => (
  <Box flexDirection="column">
    {tokens.map((token, i) => (
      <Block key={i} token={token} />
    ))}
  </Box>
);

const Block = ({ token }: { readonly token: Token }): ReactNode => {
  switch (token.type) {
    case 'space':
      return <Text> </Text>;
    case 'heading':
      return (
        <Text bold color="cyan">
          <Spans tokens={token.tokens} />
        </Text>
      );
    case 'code':
      return <Code code={{ language: token.lang ?? '', above: [], lines: (token as Tokens.Code).text.split('\n') }} />;
    case 'blockquote':
      return (
        <Box
          borderStyle="single"
          borderTop={false}
          borderRight={false}
          borderBottom={false}
          borderDimColor
          paddingLeft={1}
        >
          <Blocks tokens={token.tokens ?? []} />
        </Box>
      );
    case 'list':
      return <List list={token as Tokens.List} />;
    case 'table':
      return <Table table={token as Tokens.Table} />;
    case 'hr':
      return <Text dimColor>{'─'.repeat(20)}</Text>;
    case 'paragraph':
    case 'text':
      return (
        <Text>
          <Spans tokens={token.tokens ?? [token]} />
        </Text>
      );
    default:
      return <Text>{token.raw.trimEnd()}</Text>;
  }
};

const List = ({ list }: { readonly list: Tokens.List }): ReactNode => (
  <Box flexDirection="column">
    {list.items.map((item, i) => (
      <Box key={i}>
        <Box flexShrink={0}>
          <Text color="cyan">{list.ordered ? `${Number(list.start) + i}. ` : '• '}</Text>
          {item.task && <Text>{item.checked ? '[x] ' : '[ ] '}</Text>}
        </Box>
        <Blocks tokens={item.tokens.filter(({ type }) => type !== 'checkbox')} />
      </Box>
    ))}
  </Box>
);

/** Columns as wide as their widest cell. */
const Table = ({ table }: { readonly table: Tokens.Table }): ReactNode => {
  const rows = [table.header, ...table.rows];
  const widths = table.header.map((_, c) => Math.max(...rows.map((row) => stringWidth(row[c]?.text ?? ''))));
  return (
    <Box flexDirection="column">
      {rows.map((row, r) => (
        <Box key={r} columnGap={2}>
          {row.map((cell, c) => (
            <Box key={c} width={widths[c] ?? 0}>
              <Text bold={r === 0}>
                <Spans tokens={cell.tokens} />
              </Text>
            </Box>
          ))}
        </Box>
      ))}
    </Box>
  );
};

const Spans = ({ tokens = [] }: { readonly tokens?: readonly Token[] | undefined }): ReactNode =>
  tokens.map((token, i) => <Span key={i} token={token} />);

const Span = ({ token }: { readonly token: Token }): ReactNode => {
  switch (token.type) {
    case 'strong':
      return (
        <Text bold>
          <Spans tokens={token.tokens} />
        </Text>
      );
    case 'em':
      return (
        <Text italic>
          <Spans tokens={token.tokens} />
        </Text>
      );
    case 'del':
      return (
        <Text strikethrough>
          <Spans tokens={token.tokens} />
        </Text>
      );
    case 'codespan':
      return <Text color="yellow">{(token as Tokens.Codespan).text}</Text>;
    case 'link': {
      const { href, text, tokens } = token as Tokens.Link;
      return (
        <Text>
          <Text underline>
            <Spans tokens={tokens} />
          </Text>
          {href !== text && <Text dimColor>{` (${href})`}</Text>}
        </Text>
      );
    }
    case 'br':
      return <Text>{'\n'}</Text>;
    case 'escape':
      return <Text>{(token as Tokens.Escape).text}</Text>;
    case 'text': {
      const { tokens, text } = token as Tokens.Text;
      return tokens ? <Spans tokens={tokens} /> : <Text>{text}</Text>;
    }
    default:
      return <Text>{token.raw}</Text>;
  }
};
