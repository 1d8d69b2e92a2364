import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratch } from '../fixtures.ts';
import { grafo } from './run.ts';

const scripts = new Map<string, string>();

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout, stderr, code } = await grafo(['completion', shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const path = join(scratch, `completion.${shell}`);
    writeFileSync(path, stdout);
    scripts.set(shell, path);
  }
});

const has = (program: string): boolean => {
  if (spawnSync(program, ['--version']).status === 0) return true;
  console.warn(`skipped: completion for ${program} needs ${program}`);
  return false;
};

describe.skipIf(!has('bash'))('completion for bash', () => {
  /** What bash would offer for the last word. */
  const offered = (words: readonly string[]): string[] => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const { stdout, stderr } = spawnSync(
      'bash',
      [
        '-c',
        `source "$1"; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _grafo; printf '%s\\n' "\${COMPREPLY[@]}"`,
        'bash',
        scripts.get('bash')!,
      ],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    return stdout.split('\n').filter((word) => word !== '');
  };

  it.each([
    ['commands', ['grafo', 'wh'], ['whisper']],
    ['flags', ['grafo', 'llama', '--comp'], ['--compute']],
    ['values of a choice', ['grafo', 'llama', '--compute', ''], ['auto', 'f32', 'block', 'int8']],
    ['values behind a short flag', ['grafo', 'vit', '-fa', 'o'], ['on', 'off']],
    ['only flags that the command has', ['grafo', 'cache', '--temp'], []],
    ['nothing for a file, which bash knows itself', ['grafo', 'llama', '-m', 'mod'], []],
  ])('offers %s', (_, words, expected) => {
    expect(offered(words)).toEqual(expected);
  });
});

describe.skipIf(!has('zsh'))('completion for zsh', () => {
  it('is a script that zsh reads', () => {
    expect(spawnSync('zsh', ['-n', scripts.get('zsh')!], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });
});

describe.skipIf(!has('fish'))('completion for fish', () => {
  it.each([
    ['commands', 'grafo wh', ['whisper']],
    ['values', 'grafo llama --compute ', ['auto', 'block', 'f32', 'int8']],
  ])('offers %s', (_, line, expected) => {
    const { stdout } = spawnSync('fish', ['-c', `source ${scripts.get('fish')!}; complete -C "${line}"`], {
      encoding: 'utf8',
    });
    expect(stdout.split('\n').flatMap((line) => line.split('\t')[0] || [])).toEqual(expected);
  });
});

it('completion for an unknown shell names those that there are', async () => {
  expect(await grafo(['completion', 'csh'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('bash, zsh, fish'),
  });
});
