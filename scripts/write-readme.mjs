/**
 * Writes what the commands in README.md print under them: every block that begins with `$ grafo ...` is run, here.
 * Build first: npm run build; then: node scripts/write-readme.mjs
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const shell = 'grafo() { node bin/grafo.js "$@"; }\n';

const run = (line) => {
  const { stdout, stderr, status } = spawnSync('bash', ['-c', shell + line], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${line} ended with ${status}: ${stderr}`);
  console.log(`$ ${line}\n${stdout}`);
  return stdout.trim();
};

const readme = readFileSync('README.md', 'utf8');
const written = readme.replace(
  /^```console\n\$ (grafo .*)\n[^`]*^```$/gm,
  (_, line) => `\`\`\`console\n$ ${line}\n${run(line)}\n\`\`\``,
);
writeFileSync('README.md', written);
