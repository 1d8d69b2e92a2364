/** `grafo cache`: what is kept of models that were opened, and how to be rid of it. */
import { UserError } from '../errors.ts';
import type { KeptProgram } from '../graph/device/kept.ts';
import { clearKept, listKept, programsFolder } from '../graph/device/kept.ts';
import { command } from './command.ts';
import { cacheFolder, cacheLimit, reportOptions } from './options.ts';
import { write } from './terminal.ts';

/** `grafo cache`. */
export const cacheCommand = command({
  options: { json: reportOptions.json },
  operands: '[clear]',
  examples: [
    ['grafo cache', 'what is kept, and how much room it takes'],
    ['grafo cache clear', 'remove all of it; it is made again when it is needed'],
    ['GRAFO_CACHE_LIMIT=8 grafo llama -m model.gguf', 'keep no more than 8 GiB (default 32)'],
  ],
  async run({ json }, [word, ...more]) {
    if (more.length > 0 || (word !== undefined && word !== 'clear'))
      throw new UserError('usage', `'${more[0] ?? word}' is nothing to do with the cache`, 'the only word is clear');
    const folder = cacheFolder();
    const kept = await listKept(folder);
    if (word === 'clear') await clearKept(folder);
    const report = json ? asJson(kept, folder) : word === 'clear' ? clearedLine(kept) : table(kept, folder);
    await write(`${report}\n`);
    return 0;
  },
});

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const sum = (kept: readonly KeptProgram[]): number => kept.reduce((bytes, { byteLength }) => bytes + byteLength, 0);

const table = (kept: readonly KeptProgram[], folder: string): string =>
  [
    ...kept.map((k) => `${mib(k.byteLength).padStart(9)} MiB  ${k.lastUsed.toISOString().slice(0, 16)}  ${k.label}`),
    `${mib(sum(kept))} of ${mib(cacheLimit())} MiB in ${programsFolder(folder)}`,
  ].join('\n');

const clearedLine = (kept: readonly KeptProgram[]): string => `removed ${kept.length} models, ${mib(sum(kept))} MiB`;

const asJson = (kept: readonly KeptProgram[], folder: string): string =>
  JSON.stringify({
    folder: programsFolder(folder),
    bytes: sum(kept),
    limit: cacheLimit(),
    models: kept.map(({ label, byteLength, lastUsed }) => ({ label, bytes: byteLength, last_used: lastUsed })),
  });
