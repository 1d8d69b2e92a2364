/**
 * Measures how long a key takes to the screen while an answer is written: from the write into the pseudo-terminal to
 * its character in what comes out. Build first: npm run build; then: node scripts/bench-keys.mjs [MODEL] [KEYS]
 */
import { openTerminal } from './terminal.mjs';

const [model = 'demo/llama.gguf', count = '200'] = process.argv.slice(2);
const PAUSE_MS = 40;

let output = '';
/** What waits for the next output: this process must not take the processor from the one it measures. */
let heard = () => undefined;
const flags = ['--ignore-eos', '-c', '100000', '-q'];
const terminal = openTerminal(['llama', '-m', model, ...flags], {
  columns: 100,
  rows: 30,
  onData: (text) => {
    output += text;
    heard();
  },
});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

await terminal.see('100000 left');
terminal.type('Once upon a time\r');
await terminal.see('answering');

const latencies = [];
let typed = '';
for (let i = 0; i < Number(count); i++) {
  // The message typed so far stands behind the prompt's colour in every frame: its new end is the key's echo.
  typed = i % 40 === 0 ? '' : typed;
  if (typed === '') terminal.type('\x15');
  await sleep(PAUSE_MS);
  typed += String.fromCharCode(97 + (i % 26));
  output = '';
  const begun = performance.now();
  terminal.type(typed.at(-1));
  while (!output.includes(` ${typed}`)) {
    await new Promise((resolve) => {
      heard = resolve;
    });
  }
  latencies.push(performance.now() - begun);
}
terminal.type('\x03\x03\x03');
await terminal.ended;

latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))].toFixed(1);
console.log(`${latencies.length} keys while generating: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${at(1)} ms`);
