const named: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', "'": "'", '"': '"', '\\': '\\' };

/** Reads \n \r \t \' \" \\ and \xHH as llama.cpp does in prompts; any other backslash stays. */
export const readEscapes = (text: string): string =>
  text.replace(/\\(?:x([0-9a-fA-F]{2})|([nrt'"\\]))/g, (_, hex: string | undefined, letter: string | undefined) =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (named[letter ?? ''] ?? ''),
  );
