/** What grafo asks of Node: threads that answer, files that are written in full. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openOnnxFile } from '../src/graph/device/session.ts';
import { Thread } from '../src/system/thread.ts';
import { writeAll } from '../src/system/write-all.ts';

/** A thread's file of this code, in which `answerQuestions` is known. */
const threadOf = (code: string): URL => {
  const side = new URL('../dist/system/thread.js', import.meta.url).href;
  return new URL(`data:text/javascript,${encodeURIComponent(`import { answerQuestions } from '${side}';\n${code}`)}`);
};

const { engine } = vi.hoisted(() => ({ engine: { file: new URL('data:,') } }));
vi.mock('../src/system/built-file.ts', () => ({ builtFile: () => engine.file }));

describe('a thread', () => {
  const threads: Thread<unknown, string>[] = [];
  const start = (code: string) => {
    const thread = new Thread<unknown, string>(threadOf(code), 'helper');
    threads.push(thread);
    return thread;
  };
  afterEach(() => Promise.all(threads.splice(0).map((thread) => thread.close())));

  /** Shouts; dies of 'die', refuses 'no', and takes a while over 'slow'. */
  const SHOUTS = `answerQuestions(async (word) => {
    if (word === 'die') process.exit(1);
    if (word === 'no') throw new Error('it refuses');
    if (word === 'slow') await new Promise((resolve) => setTimeout(resolve, 50));
    return word.toUpperCase();
  }, () => []);`;

  it('answers in order, and goes on after a question that it refuses', async () => {
    const thread = start(SHOUTS);
    const answers = await Promise.allSettled(['slow', 'no', 'b'].map((word) => thread.ask(word)));
    expect(answers).toEqual([
      { status: 'fulfilled', value: 'SLOW' },
      { status: 'rejected', reason: new Error('it refuses') },
      { status: 'fulfilled', value: 'B' },
    ]);
  });

  it('that stops refuses what waits for it, and what is asked of it afterwards', async () => {
    const thread = start(SHOUTS);
    const asked = await Promise.allSettled([thread.ask('a'), thread.ask('die'), thread.ask('b')]);
    expect(asked.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(thread.hasEnded).toBe(true);
    await expect(thread.ask('c')).rejects.toThrow('the helper has stopped');
  });

  it('gives its answers to those who asked, also after a question that could not be sent', async () => {
    const thread = start(SHOUTS);
    await expect(thread.ask(() => 'a function')).rejects.toThrow(/could not be cloned/);
    expect([thread.nWaiting, await thread.ask('b')]).toEqual([0, 'B']);
  });
});

describe('a session', () => {
  it('whose engine has stopped says so, and is closed without waiting for it', async () => {
    engine.file = threadOf(`answerQuestions(({ kind }) => (kind === 'open' ? [] : process.exit(1)), () => []);`);
    const device = { provider: 'cpu', index: 0, name: 'any', state: { kind: 'available' } } as const;
    const session = await openOnnxFile({ path: 'any.onnx', inputs: [], outputs: [] }, device, { threads: 1 });
    await expect(session.run({})).rejects.toThrow('the engine on cpu has stopped');
    await session.close();
  });
});

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'grafo-system-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('has all bytes at their place, also where the system takes a few at a time', async () => {
    const file = await open(join(folder, 'bytes'), 'w');
    const slow = {
      write: (bytes: Uint8Array, from: number, length: number, position: number) =>
        file.write(bytes, from, Math.min(length, 3), position),
    };
    await writeAll(slow, Buffer.from('0123456789'), 2);
    await file.close();
    expect(readFileSync(join(folder, 'bytes'), 'latin1')).toBe('\0\x000123456789');
  });
});
