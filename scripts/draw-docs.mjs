/** Draws the pictures of the README. Build first: npm run build; then: node scripts/draw-docs.mjs */
import { spawnSync } from 'node:child_process';

const pictures = [
  ['docs/llama.svg', '--arch', 'llama-3-8b', '--depth', 'module', '--collapse-repeats', '--no-weights'],
];

for (const [file, ...args] of pictures) {
  const { status } = spawnSync(process.execPath, ['bin/grafo.js', 'graph-dump', ...args, '-o', file], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
