/**
 * Draws docs/chat.svg, the picture of the chat in the README: a real conversation with the demo, or with MODEL, on a
 * pseudo-terminal. Build first: npm run build; then: node scripts/chat-picture.mjs [MODEL]
 */
import { writeFileSync } from 'node:fs';
import { openTerminal } from './terminal.mjs';
import { terminalPicture } from './terminal-picture.mjs';

const OUTPUT = 'docs/chat.svg';
const ROWS = 30;

const flags = ['-m', process.argv[2] ?? 'demo/llama.gguf', '-s', '4', '--temp', '0.5'];
const terminal = openTerminal(['llama', ...flags], { columns: 88, rows: ROWS });
/** Tokens of the context that are in use, as the last line says. */
const used = (text) => [...text.matchAll(/(\d+) of \d+ tokens/g)].at(-1)?.[1];
/** Types a message and waits for the end of its answer. */
const say = async (keys) => {
  const before = used(terminal.text());
  terminal.type(`${keys}\r`);
  await terminal.until((text) => used(text) !== before && /first token \d+ ms\s*$/.test(text), 'the end of an answer');
};

await terminal.see('left');
await say('Tell me a story about a dragon.');
await say('How many legs does a spider have?');
terminal.type('/set temp 0.8\r');
await terminal.see('is 0.8 now');
await say('What colour is the sky?');
terminal.type('/re\t');
await terminal.see('/read');
writeFileSync(OUTPUT, terminalPicture(terminal.emulator, { title: 'A chat with grafo', rows: ROWS, hasCursor: true }));
terminal.type('\x15\x04');
await terminal.ended;
console.log(`${OUTPUT} shows:\n${terminal.text().trimEnd()}`);
