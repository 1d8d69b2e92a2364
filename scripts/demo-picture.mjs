/**
 * Draws docs/demo.svg, the picture at the top of the README: what `grafo demo` really shows at a terminal.
 * Build first: npm run build; then: node scripts/demo-picture.mjs
 */
import { writeFileSync } from 'node:fs';
import { openTerminal } from './terminal.mjs';
import { terminalPicture } from './terminal-picture.mjs';

const OUTPUT = 'docs/demo.svg';
const STOPS = ['llama', 'deepseek', 'vit', 'whisper'];

const terminal = openTerminal(['demo', ...STOPS], { columns: 80, rows: 24, env: { COLORTERM: 'truecolor' } });
const code = await terminal.ended;
if (code !== 0) throw new Error(`grafo demo ended with ${code}:\n${terminal.text()}`);
const text = terminal.text().trimEnd();
const picture = terminalPicture(terminal.emulator, {
  title: 'grafo demo: a story, a sum, a picture named, speech written down',
  first: 0,
  rows: text.split('\n').length,
});
writeFileSync(OUTPUT, picture);
console.log(`${OUTPUT} shows:\n${text}`);
