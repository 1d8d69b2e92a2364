/** `grafo models` and `grafo inspect`: what is in the cache, and what a model is before it is downloaded. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { normaliseArguments } from '../../src/commands/arguments.ts';
import { modelsCommand } from '../../src/commands/models.ts';
import { listCached, removeCached, removeRepo } from '../../src/io/hub/cached-models.ts';
import { quantOf } from '../../src/io/hub/choose.ts';
import { fixture, scratch } from '../fixtures.ts';
import type { HubServer } from '../hub-server.ts';
import { openHubServer } from '../hub-server.ts';
import { grafo } from './run.ts';

const OLD = '0'.repeat(40);
const NEW = '1'.repeat(40);

/** A cache as several tools leave it: two revisions that share a file, a folder, and what is no model. */
const fill = (folder: string): string => {
  const repo = join(folder, 'models--some--text');
  const put = (commit: string, path: string, blob: string, content: Buffer): void => {
    mkdirSync(join(repo, 'blobs'), { recursive: true });
    mkdirSync(join(repo, 'snapshots', commit, 'sub'), { recursive: true });
    writeFileSync(join(repo, 'blobs', blob), content);
    symlinkSync(join('..', '..', '..', 'blobs', blob), join(repo, 'snapshots', commit, 'sub', path));
  };
  const shared = randomBytes(3000);
  put(OLD, 'm-Q8_0.gguf', 'shared', shared);
  put(NEW, 'm-Q8_0.gguf', 'shared', shared);
  put(NEW, 'm-Q4_K_M-00001-of-00002.gguf', 'first', randomBytes(1000));
  put(NEW, 'm-Q4_K_M-00002-of-00002.gguf', 'second', randomBytes(500));
  put(NEW, 'readme.md', 'readme', randomBytes(10));
  mkdirSync(join(repo, 'refs'));
  writeFileSync(join(repo, 'refs', 'main'), NEW);
  const vit = join(folder, 'models--some--vit', 'snapshots', NEW);
  mkdirSync(vit, { recursive: true });
  writeFileSync(join(vit, 'model.safetensors'), randomBytes(2000));
  writeFileSync(join(vit, 'config.json'), '{}');
  mkdirSync(join(folder, 'datasets--some--data', 'snapshots', NEW), { recursive: true });
  return repo;
};

describe('the cache', () => {
  const folder = join(scratch, 'cache-list');
  beforeAll(() => void fill(folder));

  it('is listed by models, with all their parts, and not by what else is in it', async () => {
    const models = await listCached(folder);
    const rows = models.map((m) => [m.repo, m.form, m.file, m.files.length, m.byteLength, m.isCurrent]);
    expect(rows.sort()).toEqual([
      ['some/text', 'gguf', 'sub/m-Q4_K_M-00001-of-00002.gguf', 2, 1500, true],
      ['some/text', 'gguf', 'sub/m-Q8_0.gguf', 1, 3000, false],
      ['some/text', 'gguf', 'sub/m-Q8_0.gguf', 1, 3000, true],
      ['some/vit', 'folder', '', 2, 2002, false],
    ]);
  });

  it('that is not there has no models', async () => {
    expect(await listCached(join(scratch, 'nowhere'))).toEqual([]);
  });

  it('keeps the bytes of a model that is removed while another revision has them', async () => {
    const own = join(scratch, 'cache-remove');
    const repo = fill(own);
    const all = (await listCached(own)).filter(({ file }) => file === 'sub/m-Q8_0.gguf');
    expect(all).toHaveLength(2);
    expect(await removeCached(own, all[0]!)).toBe(0);
    expect(existsSync(join(repo, 'blobs', 'shared'))).toBe(true);
    expect(await removeCached(own, all[1]!)).toBe(3000);
    expect(readdirSync(join(repo, 'blobs')).sort()).toEqual(['first', 'readme', 'second']);
    expect(await removeRepo(own, 'some/text')).toBe(1510);
    expect(await removeRepo(own, 'some/text')).toBe(undefined);
    expect((await listCached(own)).map(({ repo }) => repo)).toEqual(['some/vit']);
  });

  it.each([
    ['a/m-Q4_K_M.gguf', 'Q4_K_M'],
    ['m.IQ2_XXS-00001-of-00009.gguf', 'IQ2_XXS'],
    ['ggml-base.en-q5_1.bin', 'Q5_1'],
    ['Qwen2-f16.gguf', 'F16'],
    ['ggml-base.bin', undefined],
  ])('knows by the name %s the type %s', (path, quant) => {
    expect(quantOf(path)).toBe(quant);
  });
});

describe('grafo models', () => {
  let server: HubServer;
  beforeAll(async () => {
    server = await openHubServer({ files: { 'tiny-Q4_0.gguf': readFileSync(fixture('llama/gqa-q4_0.gguf')) } });
  });
  afterAll(() => server.close());
  const home = join(scratch, 'models-home');
  const env = () => ({ HF_ENDPOINT: server.endpoint, HF_HOME: home, HF_HUB_OFFLINE: '', HF_HUB_CACHE: '' });

  /** What `grafo models ...args` prints, in this process. */
  const models = async (...args: readonly string[]): Promise<string> => {
    for (const [name, value] of Object.entries(env())) vi.stubEnv(name, value);
    let stdout = '';
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text, written: unknown) => {
      stdout += String(text);
      if (typeof written === 'function') written();
      return true;
    });
    try {
      await modelsCommand.run(normaliseArguments([...args, '-q'], modelsCommand.options));
    } finally {
      spy.mockRestore();
      vi.unstubAllEnvs();
    }
    return stdout;
  };

  it('inspects a model without downloading it, pulls it, lists it, and removes it', async () => {
    const inspected = await grafo(['inspect', 'hf:some/model', '-c', '64'], { env: env() });
    expect(inspected.stdout).toMatch(/^hf:some\/model\/tiny-Q4_0\.gguf: llama, [\d,]+ parameters in .* bits each\n/);
    expect(inspected.stdout).toMatch(/\ngeneral\.architecture +"llama"\n/);
    expect(inspected.stdout).toMatch(/\nq4_0 +\d+ tensors +\S+ KiB\n/);
    expect(inspected.stdout).toMatch(/\ntogether +.*\nit fits: this machine has .*\n$/);
    expect(existsSync(home)).toBe(false);

    const path = (await models('pull', 'hf:some/model:q4_0')).trim();
    expect(readFileSync(path).equals(readFileSync(fixture('llama/gqa-q4_0.gguf')))).toBe(true);
    expect((await models('path', 'hf:some/model')).trim()).toBe(path);

    expect(await models()).toMatch(
      /\nhf:some\/model\/tiny-Q4_0\.gguf +Q4_0 +[\d.]+ KiB +\d{4}-\d\d-\d\d \d\d:\d\d\n1 models, /,
    );
    expect(await models('rm', 'hf:some/model')).toMatch(/^removed hf:some\/model, [\d.]+ KiB\n$/);
    expect(readdirSync(join(home, 'hub')).filter((name) => name.startsWith('models--'))).toEqual([]);
    await expect(models('path', 'hf:some/model')).rejects.toMatchObject({ kind: 'network' });
    await expect(models('rm', 'hf:some/model')).rejects.toThrow('hf:some/model is not in the cache');
    await expect(models('frobnicate')).rejects.toThrow("'frobnicate' is nothing to do with models");
  });
});
