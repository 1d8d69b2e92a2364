/**
 * Opens and closes the demo models in turn, so many times, in one process; what scripts/soak.mjs looks at.
 * Build first: npm run build; then: node scripts/soak-opens.mjs 500
 */
import { fileURLToPath } from 'node:url';
import { plainPlacement } from '../dist/commands/placement.js';
import { asStored, openText } from '../dist/commands/text/open.js';
import { openImageModel } from '../dist/commands/vit/model.js';
import { openSpeech } from '../dist/commands/whisper/open.js';

const [count = '500'] = process.argv.slice(2);
const demo = (name) => fileURLToPath(new URL(`../demo/${name}`, import.meta.url));

const placement = plainPlacement(1);
const text = { ...placement, ...asStored, nCtx: 128 };
const opens = [
  () => openText(demo('llama.gguf'), { ...text, family: 'llama' }),
  () => openText(demo('deepseek.gguf'), { ...text, family: 'deepseek' }),
  () => openImageModel(demo('vit.bin'), { ...placement, batchSize: 1, looks: false }),
  () => openSpeech(demo('whisper.bin'), { ...placement, audioCtx: 0, nSequence: 1 }),
];
for (let i = 0; i < Number(count); i++) {
  const model = await opens[i % opens.length]();
  await model.close();
  if ((i + 1) % 50 === 0) console.log(`${i + 1} models opened and closed`);
}
