/** How a run ends that is not let to its end: readers that go, full disks, Ctrl-C, a request to terminate. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture } from '../fixtures.ts';
import { environment, grafo, grafoFile, run } from './run.ts';

const model = fixture('llama/gqa-f32.gguf');
/** Random weights that go on for as long as nobody stops them. */
const endless = ['llama', '-m', model, '-p', 'Hi', '--ignore-eos', '-c', '100000'];

/** Sends these signals once text comes, one after the other at a distance. */
const interrupted = async (...signals: NodeJS.Signals[]) => {
  let sent = false;
  return grafo(endless, {
    onStdout(_, child) {
      if (sent) return;
      sent = true;
      for (const [i, signal] of signals.entries()) setTimeout(() => child.kill(signal), 20 * i);
    },
  });
};

describe('a run that is interrupted', () => {
  it.each<[string, NodeJS.Signals[], number]>([
    ['Ctrl-C', ['SIGINT'], 130],
    ['Ctrl-C twice', ['SIGINT', 'SIGINT'], 130],
    ['a request to terminate', ['SIGTERM'], 143],
  ])('by %s keeps what was written, says how far it came and nothing of an error', async (_, signals, expected) => {
    const { code, stdout, stderr } = await interrupted(...signals);
    expect(code).toBe(expected);
    expect(stdout.length).toBeGreaterThan(0);
    expect(stderr).toMatch(/\[ Prompt: .* t\/s.*\]\n$/);
    expect(stderr).not.toMatch(/error|abort|\n\s+at /i);
  });

  it('ends before it wrote anything where the signal comes while the model is loaded', async () => {
    const { code, stdout, stderr } = await grafo(endless, { signals: [{ after: 150, signal: 'SIGTERM' }] });
    expect(code).toBe(143);
    expect(stdout.length).toBeLessThan(2000);
    expect(stderr).not.toMatch(/error|\n\s+at /i);
  });
});

describe.skipIf(process.platform === 'win32')('a reader that goes', () => {
  const shell = (line: string) => run('sh', ['-c', line], { env: environment({ GRAFO: grafoFile, MODEL: model }) });
  const command = `"${process.execPath}" "$GRAFO" llama -m "$MODEL" -p Hi --ignore-eos`;

  it.each([
    ['in the middle of an endless text', `${command} -c 100000 | head -c 20; echo; echo "code $?"`],
    ['before anything was written', `${command} -n 50 | true; echo "code $?"`],
  ])('%s ends it quietly', async (_, line) => {
    const { stdout, stderr, ms } = await shell(line);
    expect(stdout).toMatch(/code 0\n$/);
    expect(stderr).not.toMatch(/error|EPIPE|\n\s+at /i);
    expect(ms).toBeLessThan(30_000);
  });

  it('leaves the exit code 0 to the program itself', async () => {
    const piped = await shell(`{ ${command} -c 100000 -q; echo "code $?" >&2; } | head -1 >/dev/null`);
    expect(piped.stderr).toBe('code 0\n');
  });
});

describe.skipIf(!existsSync('/dev/full'))('a disk without room', () => {
  it.each([
    ['a text', `llama -m "$MODEL" -q -p Hi -n 5 --ignore-eos`, 'grafo llama'],
    ['a JSON object', `llama -m "$MODEL" -q -p Hi -n 5 --json`, 'grafo llama'],
    ['a help page', '--help', 'grafo'],
  ])('is named where %s is written to it, and the exit code is 3', async (_, line, name) => {
    const { code, stderr } = await run('sh', ['-c', `"${process.execPath}" "$GRAFO" ${line} > /dev/full`], {
      env: environment({ GRAFO: grafoFile, MODEL: model }),
    });
    expect(stderr).toBe(`${name}: cannot write to 'stdout': no space left on the device\n`);
    expect(code).toBe(3);
  });
});
