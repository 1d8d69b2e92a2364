/**
 * Writes a GGUF file of random weights, for measuring speed and memory without a download.
 * Build first: npm run build; then: node scripts/random-gguf.mjs OUT --shape tinyllama-1.1b --type q4_0
 */
import { parseArgs } from 'node:util';
import { writeGguf } from '../dist/io/gguf/writer.js';
import { randomSource } from '../dist/io/random.js';
import { SHAPES } from './compare/shapes.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { shape: { type: 'string', default: 'tinyllama-1.1b' }, type: { type: 'string', default: 'q4_0' } },
});
const [out] = positionals;
const shape = SHAPES[values.shape];
if (!out || !shape) {
  console.error(
    `usage: node scripts/random-gguf.mjs OUT [--shape ${Object.keys(SHAPES).join('|')}] [--type f16|q4_0|q4_k_m|q6_k|q8_0|...]`,
  );
  process.exit(2);
}
const model = shape(values.type);
await writeGguf(out, { metadata: model.metadata, tensors: [...randomSource(model).tensors.values()] });
