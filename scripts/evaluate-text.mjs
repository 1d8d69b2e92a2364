/**
 * Asks a model the questions of an examination and counts right answers; and has it write stories, and counts sound ones.
 * An examination comes on stdin, a JSON object a line:
 *   {"kind": "sums", "turns": ["Hello", ...], "answer": "..."} or {"kind": "stories", "opening": "One day"}
 * Build first: npm run build; then:
 *   python3 scripts/train/llama/examination.py --seed 1000 --count 400 | node scripts/evaluate-text.mjs demo/llama.gguf
 */
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { plainPlacement } from '../dist/commands/placement.js';
import { asStored, openText } from '../dist/commands/text/open.js';
import { createWriter } from '../dist/commands/text/writer.js';
import { chatTemplate, encodeChat, findChatTemplate } from '../dist/io/text/chat.js';
import { defaultSampling } from '../dist/models/sampling.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    family: { type: 'string', default: 'llama' },
    temp: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
});
const [file] = positionals;
if (!file) {
  console.error(
    'usage: node scripts/evaluate-text.mjs MODEL [--family llama|deepseek] [--temp 0] [--seed 1] [--verbose] < exam',
  );
  process.exit(2);
}

const model = await openText(file, {
  ...plainPlacement(1),
  ...asStored,
  family: values.family,
  nCtx: 0,
  notice: (line) => console.error(line),
});
const { tokenizer, decoder, nCtx, loadMs, metadata } = model;
const template = chatTemplate(findChatTemplate(metadata));
const signal = new AbortController().signal;

/** What the model writes after a prompt, as `grafo llama` does it. */
const write = (prompt, seed) =>
  createWriter({
    step: decoder.row,
    tokenizer,
    sampling: { ...defaultSampling, temp: Number(values.temp), seed },
    nCtx,
    loadMs,
    stops: [],
    nPredict: 400,
    special: false,
    whenFull: { kind: 'end' },
    thoughts: { budget: -1 },
  }).write(prompt, { signal, hear: async () => undefined, tell: () => undefined });

/** The last answer of a conversation whose earlier turns the model answers, too. */
const converse = async (turns, seed) => {
  const messages = [];
  let written;
  for (const content of turns) {
    messages.push({ role: 'user', content });
    written = await write(encodeChat(tokenizer, template, messages, { addGenerationPrompt: true }), seed);
    messages.push({ role: 'assistant', content: written.text });
  }
  return written;
};

/** What is wrong with a story, or nothing. */
const faultOf = (story, finish) => {
  if (finish !== 'eog') return 'does not end';
  if (!/[.!?]"?$/.test(story)) return 'ends within a sentence';
  const sentences = story.split(/(?<=[.!?]"?) (?=["A-Z])/);
  const again = sentences.find((s, i) => s.split(' ').length > 3 && sentences.indexOf(s) < i);
  if (again) return `says again: ${again}`;
  // Capitals within a sentence, or of who begins the story: the one whom it is about, and a friend.
  const names = new Set(
    story.match(
      /(?<=[a-z],? )[A-Z][a-z]+|^(?!(?:There|It|When|Nobody|In|On|By|Under)\b)[A-Z][a-z]+(?= (was|lived|and|the) )/g,
    ),
  );
  return names.size === 2 ? undefined : `has not two names: ${[...names].join(', ')}`;
};

const examination = (await text(process.stdin))
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
/** By kind: how many there were, and how many of them were right. */
const tally = new Map();
const count = (kind, isRight) => {
  const { n, right } = tally.get(kind) ?? { n: 0, right: 0 };
  tally.set(kind, { n: n + 1, right: right + Number(isRight) });
};
for (const [i, { kind, turns, answer, opening }] of examination.entries()) {
  const seed = Number(values.seed) + i;
  if (opening === undefined) {
    const written = await converse(turns, seed);
    const isRight = written.text.trim() === answer;
    count(kind, isRight);
    if (!isRight || values.verbose)
      console.log(`${isRight ? 'right' : 'WRONG'}: ${turns.join(' / ')} -> ${written.text}`);
    if (!isRight) console.log(`       expected: ${answer}${written.reasoning ? `\n${written.reasoning}` : ''}`);
  } else {
    const written = await write(tokenizer.encode(opening), seed);
    const story = opening + written.text;
    const fault = faultOf(story, written.finish);
    count(kind, fault === undefined);
    if (fault || values.verbose) console.log(`${fault ? `FAULT ${fault}:` : 'sound:'} ${story}\n`);
  }
}
await model.close();
for (const [kind, { n, right }] of tally) console.log(`${kind}: ${right} of ${n}`);
const [n, right] = [...tally.values()].reduce(([n, right], t) => [n + t.n, right + t.right], [0, 0]);
console.log(`all: ${right} of ${n} (${((100 * right) / n).toFixed(1)} %)`);
