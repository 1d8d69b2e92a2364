/** Conversations in files: what comes back, and what is said of files that are not whole or not ours. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { firstRows, putRows } from '../src/graph/device/cache-rows.ts';
import type { ContextHeader } from '../src/io/context/file.ts';
import { openContext, writeContext } from '../src/io/context/file.ts';
import { scratch } from './fixtures.ts';

const header: Omit<ContextHeader, 'states'> = {
  model: { name: 'tiny.gguf', content: 'abc', form: '' },
  tokens: [1, 2, 3],
  messages: [{ role: 'user', content: 'Hé' }],
};
const rows = { k: Uint8Array.from([1, 2, 3, 4]), v: Uint8Array.from([5, 6]) };
const path = join(scratch, 'whole.kv');

const opened = async (name: string, bytes: Uint8Array) => {
  const file = join(scratch, name);
  writeFileSync(file, bytes);
  return openContext(file);
};

describe('a conversation in a file', () => {
  it('comes back as it was written, and nothing unfinished stays beside it', async () => {
    await writeContext(path, header, rows);
    const context = await openContext(path);
    expect(context.header).toEqual({
      ...header,
      states: [
        { name: 'k', byteLength: 4 },
        { name: 'v', byteLength: 2 },
      ],
    });
    const read = await context.rows();
    expect([...(read.k ?? [])]).toEqual([1, 2, 3, 4]);
    expect([...(read.v ?? [])]).toEqual([5, 6]);
    await context.close();
    expect(readdirSync(scratch).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('stays as it was where another cannot be written', async () => {
    const folder = join(scratch, 'missing');
    await expect(writeContext(join(folder, 'x.kv'), header, rows)).rejects.toMatchObject({ kind: 'file' });
    expect(existsSync(folder)).toBe(false);
  });

  it('is refused with a sentence when it was cut, at whatever byte', async () => {
    await writeContext(path, header, rows);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++)
      await expect(opened('cut.kv', whole.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        kind: 'file',
        message: expect.stringMatching(/cut\.kv' is (damaged: |no conversation of grafo's)/),
      });
  });

  const changed = (edit: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(readFileSync(path));
    edit(bytes);
    return bytes;
  };
  it.each<[string, (bytes: Buffer) => void, RegExp]>([
    ['another version', (b) => b.writeUInt32LE(2, 8), /has version 2, this grafo reads 1/],
    ['a header without end', (b) => b.writeUInt32LE(0xffffffff, 12), /its header has 4294967295 bytes/],
    ['no JSON', (b) => b.write('[', 16), /its header makes no sense/],
    ['tokens that are none', (b) => b.write('[-', b.indexOf('[1')), /its header makes no sense/],
    ['a speaker that nobody knows', (b) => b.write('"usex"', b.indexOf('"user"')), /its header makes no sense/],
    ['more rows than bytes', (b) => b.write('9', b.indexOf('"byteLength":4') + 13), /should have \d+ bytes, but has/],
    ['a picture', (b) => b.write('\x89PNG', 0, 'latin1'), /is no conversation of grafo's/],
  ])('is refused with %s', async (_, edit, message) => {
    await writeContext(path, header, rows);
    await expect(opened('changed.kv', changed(edit))).rejects.toMatchObject({
      kind: 'file',
      message: expect.stringMatching(message),
    });
  });
});

describe('rows of a cache', () => {
  it('go from one cache into a longer one, position by position', () => {
    // [1, 2 heads, 3 positions, 2 bytes] into [1, 2, 5, 2].
    const short = Uint8Array.from([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
    const kept = firstRows([1, 2, 3, 1], short, 2);
    expect([...kept]).toEqual([1, 1, 2, 2, 4, 4, 5, 5]);
    const long = new Uint8Array(20);
    putRows([1, 2, 5, 1], long, kept);
    expect([...long]).toEqual([1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 4, 4, 5, 5, 0, 0, 0, 0, 0, 0]);
  });

  it('are refused where there is no room for them', () => {
    expect(() => putRows([1, 2, 1, 1], new Uint8Array(4), new Uint8Array(8))).toThrow(/no rows of a cache/);
  });
});
