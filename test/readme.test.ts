/** What the README shows is what the commands print; node scripts/write-readme.mjs writes it anew. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { grafoFile, run } from './commands/run.ts';

vi.setConfig({ testTimeout: 60_000 });

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const shown = [...readme.matchAll(/^```console\n\$ (grafo .*)\n([^`]*)^```$/gm)].map(
  ([, line, output]) => [line!, output!.trim()] as const,
);

describe('the README', () => {
  it('shows every model at work, and the graph', () => {
    const commands = shown.map(([line]) => line.split(' ')[1]);
    expect(commands).toEqual(['llama', 'deepseek', 'vit', 'whisper', 'graph-dump', 'bench']);
  });

  // How fast something is differs from run to run.
  it.each(shown.filter(([line]) => !line.startsWith('grafo bench')))(
    'what `%s` prints is true',
    async (line, output) => {
      const shell = `grafo() { "${process.execPath}" "${grafoFile}" "$@"; }`;
      const { code, stdout } = await run('bash', ['-c', `${shell}\n${line}`], { cwd: root });
      expect([code, stdout.trim()]).toEqual([0, output]);
    },
  );
});
