/**
 * Prepared weights that are kept between starts: whatever happens to them, the answer is the same, and one line says
 * what was done.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildDecoder, withGguf } from '../src/commands/text/open.ts';
import type { Keeping, KeptProgram } from '../src/graph/device/kept.ts';
import { findKept, keyOf, listKept, programsFolder } from '../src/graph/device/kept.ts';
import type { Packing } from '../src/graph/device/pack.ts';
import { pack } from '../src/graph/device/pack.ts';
import { openSession } from '../src/graph/device/session.ts';
import type { Program } from '../src/graph/lower/lower.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { WeightSource } from '../src/graph/weights.ts';
import { identityOf } from '../src/io/gguf/identity.ts';
import { llamaShape, randomSource } from '../src/io/random.ts';
import { createDecoder } from '../src/models/decoder.ts';
import { grafo, grafoFile, run } from './commands/run.ts';
import { fixture, scratch } from './fixtures.ts';
import { idsOf } from './models/decoders.ts';

const cpu = { provider: 'cpu', index: 0, name: 'processor', state: { kind: 'available' } } as const;

let nFolder = 0;
/** A cache of its own for each test. */
const newCache = (): string => join(scratch, `kept-${nFolder++}`);

const keepingIn = (cacheFolder: string, more: Partial<Keeping> = {}): Keeping & { readonly lines: string[] } => {
  const lines: string[] = [];
  const notice = (line: string): void => {
    lines.push(line);
  };
  return { cacheFolder, limit: 1e9, source: 'a file', label: 'model.gguf', notice, lines, ...more };
};

interface Start {
  /** The logits of a short prompt. */
  readonly logits: number[];
  /** Whether weights were read from the model's file. */
  readonly prepared: boolean;
  readonly lines: readonly string[];
}

const programFrom = (source: WeightSource): Program =>
  lower(buildDecoder(source).graph, { provider: 'cpu', compute: 'block', fused: true }, { nCtx: 64, B: 1 });

/** Opens a model, runs a prompt and closes it; `change` alters the program before. */
const startFrom = async (
  source: WeightSource,
  keeping: ReturnType<typeof keepingIn>,
  ids: readonly number[],
  change = (p: Program) => p,
  packing: Packing = 'later',
): Promise<Start> => {
  const program = programFrom(source);
  let prepared = false;
  const watched = change({
    ...program,
    initializers: program.initializers.map((group) => ({
      ...group,
      load() {
        prepared = true;
        return group.load();
      },
    })),
  });
  const session = await openSession(watched, cpu, { threads: 1, cacheFolder: keeping.cacheFolder, keeping, packing });
  try {
    const decoder = createDecoder(session, { nVocab: buildDecoder(source).h.nVocab, nTokenPerRun: 64 });
    const logits = [...(await decoder.last(ids, 0))];
    return { logits, prepared, lines: keeping.lines.splice(0) };
  } finally {
    await session.close();
  }
};

/** The same with the model `NAME.gguf`. */
const start = (
  keeping: ReturnType<typeof keepingIn>,
  change?: (p: Program) => Program,
  name = 'gqa-q4_0',
): Promise<Start> => withGguf(fixture(`llama/${name}.gguf`), (file) => startFrom(file, keeping, idsOf(name), change));

/** The program that `start` opens. */
const programOf = (name = 'gqa-q4_0'): Promise<Program> =>
  withGguf(fixture(`llama/${name}.gguf`), async (file) => programFrom(file));

const keptFolders = (cacheFolder: string): string[] =>
  existsSync(programsFolder(cacheFolder))
    ? readdirSync(programsFolder(cacheFolder)).map((name) => join(programsFolder(cacheFolder), name))
    : [];

const keptOf = async (cacheFolder: string, key: string): Promise<KeptProgram> => {
  const kept = await findKept(cacheFolder, key);
  if (kept === undefined || kept === 'broken') throw new Error(`nothing whole is kept as ${key}`);
  return kept;
};

const flip = (path: string, at: number): void => {
  const bytes = readFileSync(path);
  const i = at < 0 ? bytes.length + at : at;
  bytes[i] = bytes[i]! ^ 0x10;
  writeFileSync(path, bytes);
};

describe('the second start', () => {
  it('reads no weights of the model and gives the same logits, bit for bit', async () => {
    const keeping = keepingIn(newCache());
    const [first, second] = [await start(keeping), await start(keeping)];
    expect([first.prepared, second.prepared]).toEqual([true, false]);
    expect(second.logits).toEqual(first.logits);
    expect([...first.lines, ...second.lines]).toEqual([]);
    expect(keptFolders(keeping.cacheFolder)).toHaveLength(1);
  });

  it('is of another length of context, and still the same program', async () => {
    const [short, long] = await withGguf(fixture('llama/gqa-q4_0.gguf'), async (file) => {
      const { graph } = buildDecoder(file);
      const target = { provider: 'cpu', compute: 'block', fused: true } as const;
      return [lower(graph, target, { nCtx: 64, B: 1 }), lower(graph, target, { nCtx: 300, B: 1 })] as const;
    });
    expect(keyOf(short, 'a')).toBe(keyOf(long, 'a'));
  });

  it.each([
    ['another file', 'gqa-q4_0', { source: 'another file' }],
    ['another type', 'gqa-q8_0', {}],
  ])('of %s is a first start', async (_, name, more) => {
    const keeping = keepingIn(newCache());
    await start(keeping);
    expect((await start({ ...keeping, ...more }, undefined, name)).prepared).toBe(true);
    expect(keptFolders(keeping.cacheFolder)).toHaveLength(2);
  });
});

it('values that are computed are part of the key: another rotation is another program', async () => {
  const key = (freqBase: number) =>
    withGguf(fixture('llama/gqa-q4_0.gguf'), async ({ metadata, tensors }) =>
      keyOf(programFrom({ metadata: new Map([...metadata, ['llama.rope.freq_base', freqBase]]), tensors }), 'a file'),
    );
  expect(await key(10_000)).toBe(await key(10_000));
  expect(await key(10_000)).not.toBe(await key(20_000));
});

describe('the packed form', () => {
  const packed = async (keeping: Keeping, program: Program): Promise<boolean> => {
    const key = keyOf(program, keeping.source);
    const { folder, model, label } = await keptOf(keeping.cacheFolder, key);
    return pack({ ...keeping, key, folder, model, label, isAwaited: false });
  };

  /** A model all of whose matrices take a megabyte or more. */
  const large = randomSource(
    llamaShape({ nLayer: 1, nEmbd: 1024, nHead: 16, nHeadKv: 16, nFf: 1024, nVocab: 1024, nCtx: 64, type: 'q8_0' }),
  );
  const programOfLarge = () => programFrom(large);
  const startLarge = (keeping: ReturnType<typeof keepingIn>) => startFrom(large, keeping, [1, 300, 301]);

  it('takes the place of the other and gives the same logits, bit for bit', async () => {
    const keeping = keepingIn(newCache());
    const first = await startLarge(keeping);
    expect(await packed(keeping, programOfLarge())).toBe(true);
    expect(keptFolders(keeping.cacheFolder).map((folder) => readdirSync(folder).sort())).toEqual([
      ['manifest.json', 'packed.bin', 'packed.onnx'],
    ]);
    const second = await startLarge(keeping);
    expect([second.prepared, second.lines, second.logits]).toEqual([false, [], first.logits]);
  });

  describe('made before the first session, where memory has no room for all weights at once,', () => {
    const startMapped = (keeping: ReturnType<typeof keepingIn>) =>
      startFrom(large, keeping, [1, 300, 301], undefined, 'first');

    it('gives the same logits, bit for bit, and serves the next start', async () => {
      const keeping = keepingIn(newCache());
      const first = await startMapped(keeping);
      expect(first).toEqual(await startLarge(keepingIn(newCache())));
      expect(keptFolders(keeping.cacheFolder)).toEqual([expect.stringMatching(/-packed$/)]);
      expect(await startMapped(keeping)).toEqual({ ...first, prepared: false });
    });

    it('is made of what an earlier start has kept, if that is whole', async () => {
      const keeping = keepingIn(newCache());
      const first = await startLarge(keeping);
      expect(await startMapped(keeping)).toEqual({ ...first, prepared: false });
      expect(keptFolders(keeping.cacheFolder)).toEqual([expect.stringMatching(/-packed$/)]);
    });

    it('that cannot be kept is an error with a way out', async () => {
      const keeping = keepingIn(newCache(), { limit: 10e6 });
      await expect(startMapped(keeping)).rejects.toMatchObject({ kind: 'file', hint: /GRAFO_CACHE_LIMIT/ });
    });
  });

  it.each([
    ['packed.bin', 100],
    ['packed.bin', 5_000_000],
    ['packed.bin', -1],
    ['packed.onnx', 300],
  ])('is made again with one line when of %s byte %i has changed', async (file, at) => {
    const keeping = keepingIn(newCache());
    const first = await startLarge(keeping);
    await packed(keeping, programOfLarge());
    flip(join(keptFolders(keeping.cacheFolder)[0]!, file), at);
    const second = await startLarge(keeping);
    expect([second.prepared, second.logits]).toEqual([true, first.logits]);
    expect(second.lines).toEqual(['the prepared weights are damaged, they are made again']);
    expect(await startLarge(keeping)).toEqual({ logits: first.logits, prepared: false, lines: [] });
  });

  it.each(['gqa-q4_0', 'gqa-q8_0'])('of the small matrices of %s is read rightly too', async (name) => {
    const keeping = keepingIn(newCache());
    const first = await start(keeping, undefined, name);
    expect(await packed(keeping, await programOf(name))).toBe(true);
    expect(await start(keeping, undefined, name)).toEqual({ logits: first.logits, prepared: false, lines: [] });
    expect(readdirSync(keeping.cacheFolder)).toEqual(['programs']);
  });

  it('of experts in branches is read rightly too', () =>
    withGguf(fixture('deepseek/v2lite-q8_0.gguf'), async (file) => {
      const keeping = keepingIn(newCache());
      const ids = [1, 17, 4, 99, 23, 42];
      const first = await startFrom(file, keeping, ids);
      expect(await packed(keeping, programFrom(file))).toBe(true);
      expect(await startFrom(file, keeping, ids)).toEqual({ logits: first.logits, prepared: false, lines: [] });
    }));
});

describe('damage', () => {
  /** What becomes of the files of a kept program. */
  const damages: readonly [what: string, damage: (folder: string) => void][] = [
    ['the first byte of the weights has changed', (f) => flip(join(f, 'weights.bin'), 0)],
    ['a byte amid the weights has changed', (f) => flip(join(f, 'weights.bin'), 20_000)],
    ['the last byte of the weights has changed', (f) => flip(join(f, 'weights.bin'), -1)],
    ['a byte of the model has changed', (f) => flip(join(f, 'decoder.onnx'), 500)],
    ['the weights are cut', (f) => truncateSync(join(f, 'weights.bin'), 5000)],
    ['the weights are empty', (f) => truncateSync(join(f, 'weights.bin'), 0)],
    ['the model is cut', (f) => truncateSync(join(f, 'decoder.onnx'), 100)],
    ['the weights are gone', (f) => rmSync(join(f, 'weights.bin'))],
    ['the manifest is gone', (f) => rmSync(join(f, 'manifest.json'))],
    ['the manifest is cut', (f) => truncateSync(join(f, 'manifest.json'), 40)],
    ['the manifest is of another form', (f) => writeFileSync(join(f, 'manifest.json'), '{"label":"x"}')],
    ['the manifest names a file elsewhere', (f) => rename(f, '../../decoder.onnx')],
    ['a sum is wrong', (f) => rewrite(f, (text) => text.replace(/"crc":\d/, '"crc":'))],
    ['a sum is no number', (f) => rewrite(f, (text) => text.replace(/"crc":\d+/, '"crc":"x"'))],
  ];
  const rewrite = (folder: string, change: (text: string) => string): void => {
    const path = join(folder, 'manifest.json');
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  };
  const rename = (folder: string, to: string): void =>
    rewrite(folder, (text) => text.replace('"model":"decoder.onnx"', `"model":"${to}"`));

  it.each(damages)('is noticed and mended when %s', async (_, damage) => {
    const keeping = keepingIn(newCache());
    const first = await start(keeping);
    damage(keptFolders(keeping.cacheFolder)[0]!);
    const second = await start(keeping);
    expect([second.prepared, second.logits]).toEqual([true, first.logits]);
    expect(second.lines).toEqual(['the prepared weights are damaged, they are made again']);
    expect(await start(keeping)).toEqual({ logits: first.logits, prepared: false, lines: [] });
  });

  it('of any one byte of the manifest changes no logit', async () => {
    const keeping = keepingIn(newCache());
    const first = await start(keeping);
    const manifest = join(keptFolders(keeping.cacheFolder)[0]!, 'manifest.json');
    const { size } = statSync(manifest);
    for (let i = 0; i < 12; i++) {
      flip(manifest, Math.floor((size * i) / 12));
      expect((await start(keeping)).logits).toEqual(first.logits);
    }
  });
});

describe('a place that does not serve', () => {
  it('a cache that cannot be made costs only its benefit, and one line', async () => {
    const file = join(scratch, 'a-file');
    writeFileSync(file, '');
    const keeping = keepingIn(join(file, 'cache'));
    const { logits, prepared, lines } = await start(keeping);
    expect([logits, prepared]).toEqual([(await start(keepingIn(newCache()))).logits, true]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^the prepared weights are not kept: ENOTDIR/);
  });

  it('a disk that is full is left for the temporary folder', async () => {
    const keeping = keepingIn(newCache());
    const folders: string[] = [];
    let isFull = true;
    const filling = (program: Program): Program => ({
      ...program,
      initializers: program.initializers.map((group, i) => ({
        ...group,
        async load() {
          if (i === 3 && isFull) {
            folders.push(...readdirSync(keeping.cacheFolder));
            isFull = false;
            throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          }
          return group.load();
        },
      })),
    });
    const { logits } = await start(keeping, filling);
    expect(logits).toEqual((await start(keepingIn(newCache()))).logits);
    expect(folders).toEqual([expect.stringMatching(/^run-\w+-\d+-/)]);
    expect(readdirSync(keeping.cacheFolder).filter((name) => name.startsWith('run-'))).toEqual([]);
  });

  it('no room anywhere is an error with a way out', async () => {
    const full = (program: Program): Program => ({
      ...program,
      initializers: program.initializers.map((group) => ({
        ...group,
        load: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })),
      })),
    });
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith(`grafo-${process.pid}-`));
    await expect(start(keepingIn(newCache()), full)).rejects.toMatchObject({ kind: 'file', hint: /GRAFO_CACHE/ });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`grafo-${process.pid}-`))).toEqual(before);
  });

  it('what is larger than the limit is not kept, and one line says so', async () => {
    const keeping = keepingIn(newCache(), { limit: 1000 });
    const { lines } = await start(keeping);
    expect(lines).toEqual([expect.stringMatching(/^the prepared weights are not kept: \d+ bytes are more than/)]);
    expect(keptFolders(keeping.cacheFolder)).toEqual([]);
  });

  it('what a killed process left is swept up', async () => {
    const keeping = keepingIn(newCache());
    const leave = (machine: string, written: Date) => {
      const left = join(keeping.cacheFolder, `run-${machine}-999999999-abc`);
      mkdirSync(left, { recursive: true });
      writeFileSync(join(left, 'weights.bin'), 'half');
      for (const path of [join(left, 'weights.bin'), left]) utimesSync(path, written, written);
      return left;
    };
    const [now, longAgo] = [new Date(), new Date(Date.now() - 2 * 24 * 60 * 60 * 1000)];
    const ours = leave(hostname().replace(/\W/g, '_'), now);
    // Of another machine that shares the cache it is not known whether the process lives.
    const [theirs, theirsOfOld] = [leave('other', now), leave('third', longAgo)];
    await start(keeping);
    expect([ours, theirs, theirsOfOld].map(existsSync)).toEqual([false, true, false]);
  });
});

describe('a writer that is killed amid its work', () => {
  it('leaves nothing that a later start could take for whole', async () => {
    const keeping = keepingIn(newCache());
    const expected = await start(keepingIn(newCache()));
    // A process of its own, that ends itself when half of the weights are written.
    const killed = await run(process.execPath, ['--input-type=module', '-e', KILLED, keeping.cacheFolder], {
      env: { MODEL: fixture('llama/gqa-q4_0.gguf'), DIST: new URL('../dist/', import.meta.url).href },
    });
    expect([killed.code, killed.stdout]).toEqual([137, 'half\n']);
    expect(readdirSync(keeping.cacheFolder)).toEqual([expect.stringMatching(/^run-\w+-\d+-/)]);
    expect(await start(keeping)).toEqual({ ...expected, prepared: true });
    expect(readdirSync(keeping.cacheFolder)).toEqual(['programs']);
  });

  const KILLED = `
    const [{ buildDecoder, withGguf }, { lower }, { openSession }] = await Promise.all(
      ['commands/text/open.js', 'graph/lower/lower.js', 'graph/device/session.js'].map((f) => import(process.env.DIST + f)),
    );
    await withGguf(process.env.MODEL, async (file) => {
      const program = lower(buildDecoder(file).graph, { provider: 'cpu', compute: 'block', fused: true }, { nCtx: 64, B: 1 });
      const half = program.initializers.length >> 1;
      const initializers = program.initializers.map((group, i) => ({
        ...group,
        load() {
          if (i === half) {
            console.log('half');
            process.kill(process.pid, 'SIGKILL');
          }
          return group.load();
        },
      }));
      const cacheFolder = process.argv[1];
      const keeping = { cacheFolder, limit: 1e9, source: 'a file', label: 'model.gguf', notice() {} };
      const cpu = { provider: 'cpu', index: 0, name: 'processor', state: { kind: 'available' } };
      await openSession({ ...program, initializers }, cpu, { threads: 1, cacheFolder, keeping });
    });`;
});

describe('the limit', () => {
  it('is kept by removing what was not used for longest', async () => {
    const folder = newCache();
    const keeping = keepingIn(folder);
    for (const source of ['a', 'b', 'c']) await start({ ...keeping, source });
    const size = (await listKept(folder))[0]!.byteLength;
    const long = new Date(Date.now() - 1e6);
    for (const source of ['a', 'b', 'c']) {
      const kept = await keptOf(folder, keyOf(await programOf(), source));
      if (source !== 'a') utimesSync(join(kept.folder, 'manifest.json'), long, long);
    }
    await start({ ...keeping, source: 'd', limit: 2.5 * size });
    const there = async (source: string) =>
      keptFolders(folder).includes(join(programsFolder(folder), keyOf(await programOf(), source)));
    expect(await Promise.all(['a', 'b', 'c', 'd'].map(there))).toEqual([true, false, false, true]);
  });
});

describe('what a file is told by', () => {
  const copy = (name: string): string => {
    const path = join(scratch, name);
    copyFileSync(fixture('llama/gqa-q4_0.gguf'), path);
    utimesSync(path, 1e9, 1e9);
    return path;
  };

  it('is not its name', async () => {
    expect(await identityOf([copy('one.gguf')])).toBe(await identityOf([copy('two.gguf')]));
  });

  it.each([
    ['its time', (path: string) => utimesSync(path, 1e9, 1e9 + 1)],
    ['its size', (path: string) => truncateSync(path, 60_000)],
    ['its bytes', (path: string) => flip(path, 40_000)],
  ])('is %s', async (what, change) => {
    const path = copy(`${what}.gguf`);
    const before = await identityOf([path]);
    change(path);
    if (what !== 'its time') utimesSync(path, 1e9, 1e9);
    expect(await identityOf([path])).not.toBe(before);
  });
});

/** Whether this system lets a process mount what only itself sees. */
const mayMount = ((): boolean => {
  const probe = 'mount -t tmpfs -o size=64k none /tmp';
  if (process.platform === 'linux' && spawnSync('unshare', ['-rm', 'sh', '-c', probe]).status === 0) return true;
  console.warn('skipped: caches on full and on read-only disks need a system that lets a process mount privately');
  return false;
})();

describe('grafo cache', () => {
  const inCache = (folder: string) => ({ env: { GRAFO_CACHE: folder } });
  const llama = (folder: string, ...more: string[]) =>
    grafo(
      ['llama', '-m', fixture('llama/gqa-q4_0.gguf'), '--ids', '1,40,50', '-n', '4', '--temp', '0', '--json', ...more],
      inCache(folder),
    );

  it('lists what is kept, and clears it', async () => {
    const folder = newCache();
    await llama(folder);
    const listed = await grafo(['cache'], inCache(folder));
    expect(listed.stdout).toMatch(
      /^ +0\.\d MiB {2}\d{4}-\d\d-\d\dT\d\d:\d\d {2}gqa-q4_0\.gguf\n0\.\d of 32768\.0 MiB in /,
    );
    const { models } = JSON.parse((await grafo(['cache', '--json'], inCache(folder))).stdout);
    expect(models).toMatchObject([{ label: 'gqa-q4_0.gguf' }]);
    const cleared = await grafo(['cache', 'clear'], inCache(folder));
    expect([cleared.code, cleared.stdout]).toEqual([0, expect.stringMatching(/^removed 1 models, 0\.\d MiB\n$/)]);
    expect(keptFolders(folder)).toEqual([]);
  });

  it('has nothing after --no-cache, and nothing is left beside it', async () => {
    const folder = newCache();
    expect((await llama(folder, '--no-cache')).code).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('serves two processes at once: both give the same, one program is kept', async () => {
    const folder = newCache();
    const [a, b] = await Promise.all([llama(folder), llama(folder)]);
    expect([a.code, b.code, a.stderr.includes('weights'), b.stderr.includes('weights')]).toEqual([0, 0, false, false]);
    expect(JSON.parse(a.stdout).ids).toEqual(JSON.parse(b.stdout).ids);
    expect(readdirSync(folder)).toEqual(['programs']);
    expect(keptFolders(folder)).toHaveLength(1);
  });

  it('is a cache of its own for each version of grafo', async () => {
    const folder = newCache();
    const root = fileURLToPath(new URL('..', import.meta.url));
    const other = join(scratch, 'other-version');
    for (const part of ['bin', 'dist']) cpSync(join(root, part), join(other, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(other, 'node_modules'));
    const about: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    writeFileSync(join(other, 'package.json'), JSON.stringify({ ...(about as object), version: '0.0.1' }));
    const words = [
      'llama',
      '-m',
      fixture('llama/gqa-q4_0.gguf'),
      '--ids',
      '1,40,50',
      '-n',
      '4',
      '--temp',
      '0',
      '--json',
    ];
    const old = await run(process.execPath, [join(other, 'bin', 'grafo.js'), ...words], inCache(folder));
    const now = await llama(folder);
    expect([old.code, now.code]).toEqual([0, 0]);
    expect(JSON.parse(now.stdout).ids).toEqual(JSON.parse(old.stdout).ids);
    expect(keptFolders(folder)).toHaveLength(2);
  });

  describe.skipIf(!mayMount)('on a place of its own', () => {
    /** Runs the model with a cache that these commands have put at $CACHE, in a namespace where mounts are private. */
    const llamaWhere = (folder: string, prepare: string) =>
      run(
        'unshare',
        [
          '-rm',
          'sh',
          '-c',
          `${prepare} && exec "$0" "$@"`,
          process.execPath,
          grafoFile,
          ...['llama', '-m', fixture('llama/gqa-q4_0.gguf'), '--ids', '1,40,50', '-n', '4', '--temp', '0', '--json'],
        ],
        { env: { GRAFO_CACHE: folder, CACHE: folder } },
      );
    const isReadOnly = 'mount --bind "$CACHE" "$CACHE" && mount -o remount,bind,ro "$CACHE"';

    it('that is full, answers all the same, and one line says so', async () => {
      const [folder, wide] = [newCache(), newCache()];
      mkdirSync(folder, { recursive: true });
      const { code, stdout, stderr } = await llamaWhere(folder, 'mount -t tmpfs -o size=64k none "$CACHE"');
      expect(code).toBe(0);
      expect(JSON.parse(stdout).ids).toEqual(JSON.parse((await llama(wide)).stdout).ids);
      expect(stderr.match(/the prepared weights are not kept.*\n/g)).toHaveLength(1);
    });

    it('that is empty and read-only, answers all the same, and one line says so', async () => {
      const [folder, wide] = [newCache(), newCache()];
      mkdirSync(folder, { recursive: true });
      const { code, stdout, stderr } = await llamaWhere(folder, isReadOnly);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).ids).toEqual(JSON.parse((await llama(wide)).stdout).ids);
      expect(stderr.match(/the prepared weights are not kept.*\n/g)).toHaveLength(1);
      expect(readdirSync(folder)).toEqual([]);
    });

    it('that is filled and read-only, is used as it is', async () => {
      const folder = newCache();
      const first = await llama(folder);
      const { code, stdout, stderr } = await llamaWhere(folder, isReadOnly);
      expect([code, JSON.parse(stdout).ids]).toEqual([0, JSON.parse(first.stdout).ids]);
      expect(stderr).not.toContain('weights');
    });
  });

  it.each([
    [['cache', 'empty'], /'empty' is nothing to do with the cache\n.*the only word is clear/],
    [['cache', 'clear', 'all'], /'all' is nothing to do with the cache/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await grafo(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('refuses a limit that is no number', async () => {
    const { code, stderr } = await grafo(['cache'], { env: { GRAFO_CACHE_LIMIT: 'much' } });
    expect([code, stderr]).toEqual([2, "grafo cache: GRAFO_CACHE_LIMIT is 'much', expected a number of GiB\n"]);
  });
});
