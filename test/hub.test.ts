/** Models of the hub: what reaches the cache, over connections that break, and through servers that answer wrongly. */
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openFile } from '../src/io/gguf/file.ts';
import type { ModelForm } from '../src/io/hub/choose.ts';
import { chooseFiles } from '../src/io/hub/choose.ts';
import { hubModel } from '../src/io/hub/model.ts';
import { hubModelPlace } from '../src/io/hub/model-place.ts';
import { nameOf, parseHubReference } from '../src/io/hub/reference.ts';
import { type HubSettings, hubSettings } from '../src/io/hub/settings.ts';
import { openSingleFile } from '../src/io/model-file.ts';
import { fixture, scratch } from './fixtures.ts';
import { blobName, COMMIT, cutAfter, type HubServer, openHubServer, type Serve, serveWell } from './hub-server.ts';

const SIZE = 200_000;
const bytes = randomBytes(SIZE);
const file = 'model-Q4_K_M.gguf';

let server: HubServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

let nFolder = 0;
const settingsFor = (endpoint: string, changes: Partial<HubSettings> = {}): HubSettings => ({
  endpoint,
  folder: join(scratch, `hub-${nFolder++}`),
  isOffline: false,
  waits: [1, 1, 1, 1],
  stallMs: 300,
  ...changes,
});

const allForms: readonly ModelForm[] = ['gguf', 'ggml', 'folder'];

/** Gets `hf:some/model`; gives its path and what was told. */
const got = async (settings: HubSettings, name = 'hf:some/model', forms = allForms) => {
  const told: string[] = [];
  const steps: number[] = [];
  const path = await hubModel(parseHubReference(name), forms, settings, {
    notice: (line) => told.push(line),
    progress: (done) => steps.push(done),
  });
  return { path, told, steps };
};

const repoFolder = ({ folder }: HubSettings): string => join(folder, 'models--some--model');
const blobsOf = (settings: HubSettings): readonly string[] => readdirSync(join(repoFolder(settings), 'blobs'));
const served = (): readonly string[] =>
  (server?.requests ?? []).filter((r) => r.where === 'store').map((r) => r.range ?? 'all');

/** Starts the server with one model and a way to serve it. */
const start = async (serve: Serve = serveWell, files: Readonly<Record<string, Buffer>> = { [file]: bytes }) => {
  server = await openHubServer({ files, serve });
  return settingsFor(server.endpoint);
};

describe('a model of the hub', () => {
  it('lies in the cache as the tools of Hugging Face lay it there, and is downloaded once', async () => {
    const settings = await start();
    const { path, told, steps } = await got(settings);
    expect(path).toBe(join(repoFolder(settings), 'snapshots', COMMIT, file));
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(readlinkSync(path)).toBe(join('..', '..', 'blobs', blobName(bytes)));
    expect(readFileSync(join(repoFolder(settings), 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(blobsOf(settings)).toEqual([blobName(bytes)]);
    expect(told).toEqual([`downloading some/model, 195.3 KiB, into ${settings.folder}`]);
    expect(steps.at(-1)).toBe(SIZE);
    const again = await got(settings);
    expect([again.path, again.told]).toEqual([path, []]);
    expect(served()).toEqual(['all']);
  });

  it('comes with all its parts, in folders of the repository too', async () => {
    const parts = [1, 2, 3].map((n) => [`big/m-Q8_0-0000${n}-of-00003.gguf`, randomBytes(2000 + n)] as const);
    const settings = await start(serveWell, Object.fromEntries(parts));
    const { path } = await got(settings, 'hf:some/model:q8_0');
    expect(path.endsWith(join('big', 'm-Q8_0-00001-of-00003.gguf'))).toBe(true);
    for (const [i, [, content]] of parts.entries())
      expect(readFileSync(path.replace('00001-of', `0000${i + 1}-of`)).equals(content)).toBe(true);
  });

  it('is a folder where it is safetensors with JSON beside them', async () => {
    const files = { 'config.json': Buffer.from('{}'), 'model.safetensors': bytes, 'README.md': Buffer.from('x') };
    const settings = await start(serveWell, files);
    const { path } = await got(settings);
    expect(readdirSync(path).sort()).toEqual(['config.json', 'model.safetensors']);
    await expect(got(settings, 'hf:some/model', ['gguf'])).rejects.toThrow('some/model has no GGUF file');
  });

  it('is found in the cache without a request when it is not to ask', async () => {
    const settings = await start();
    const { path } = await got(settings);
    await server?.close();
    const before = server?.requests.length;
    expect((await got({ ...settings, isOffline: true })).path).toBe(path);
    expect(server?.requests.length).toBe(before);
    await expect(got({ ...settings, isOffline: true }, 'hf:some/other')).rejects.toMatchObject({
      kind: 'network',
      message: 'hf:some/other is not in the cache, and the hub is not to be asked',
    });
  });

  it('is found in the cache, aloud, when the hub cannot be reached', async () => {
    const settings = await start();
    const { path } = await got(settings);
    await server?.close();
    const again = await got(settings);
    expect(again.path).toBe(path);
    expect(again.told).toEqual([expect.stringMatching(/^cannot reach 127.*refused; the copy in the cache is used$/)]);
  });

  it('is downloaded once where two want it at once', async () => {
    const slow: Serve = (request, response, content) => {
      setTimeout(() => serveWell(request, response, content, 0), 300);
    };
    const settings = await start(slow);
    const both = await Promise.all([got(settings), got(settings)]);
    expect(both[0].path).toBe(both[1].path);
    expect(served()).toEqual(['all']);
    expect(both.flatMap(({ told }) => told)).toContain('another process downloads this file; waiting for it');
  });

  it('goes to a place of another name where the token does not', async () => {
    const settings = await start();
    await got({ ...settings, token: 'secret' });
    const sent = server?.requests.map(({ where, authorization }) => `${where} ${authorization}`);
    expect([...new Set(sent)].sort()).toEqual(['hub Bearer secret', 'store undefined']);
  });
});

describe('a download goes on where it was cut', () => {
  it.each([0, 1, 4095, 65_536, SIZE - 1])('after %i bytes', async (n) => {
    const settings = await start((request, response, content, i) =>
      (i === 0 ? cutAfter(n) : serveWell)(request, response, content, i),
    );
    const { path } = await got(settings);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(served().length).toBe(2);
    expect(served()[0]).toBe('all');
    // What was on its way when the connection broke may be lost, but what came is not asked for again.
    expect(Number(/\d+/.exec(served()[1] ?? '')?.[0] ?? 0)).toBeLessThanOrEqual(n);
  });

  it('again and again, as long as each time brings something', async () => {
    const settings = await start((request, response, content, i) => cutAfter(12_345)(request, response, content, i));
    const { path } = await got(settings);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(served().length).toBeGreaterThan(15);
  });

  it('by a process before this one, whoever it was', async () => {
    const settings = await start();
    mkdirSync(join(repoFolder(settings), 'blobs'), { recursive: true });
    writeFileSync(join(repoFolder(settings), 'blobs', `${blobName(bytes)}.incomplete`), bytes.subarray(0, 50_000));
    const { path } = await got(settings);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(served()).toEqual(['bytes=50000-']);
  });

  it('because nothing came for a while', async () => {
    const stalls: Serve = (request, response, content, i) => {
      if (i > 0) return serveWell(request, response, content, i);
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 1000));
    };
    const settings = await start(stalls);
    expect(readFileSync((await got(settings)).path).equals(bytes)).toBe(true);
    expect(served()).toEqual(['all', 'bytes=1000-']);
  });
});

describe('a server that', () => {
  const cutFirst =
    (then: Serve): Serve =>
    (request, response, content, i) =>
      (i === 0 ? cutAfter(70_000) : then)(request, response, content, i);

  it.each<[string, Serve]>([
    ['ignores ranges', cutFirst((_, response, content) => response.end(content))],
    [
      'sends another range than was asked for',
      cutFirst((request, response, content, i) => {
        if (i > 1) return serveWell(request, response, content, i);
        response.writeHead(206, { 'content-range': `bytes 10-${SIZE - 1}/${SIZE}` }).end(content.subarray(10));
      }),
    ],
    [
      'sends a range without saying which',
      cutFirst((request, response, content, i) => {
        if (i > 1) return serveWell(request, response, content, i);
        response.writeHead(206).end(content.subarray(70_000));
      }),
    ],
    [
      'sends more than it said it has',
      (_, response, content) => {
        response.writeHead(200, { 'transfer-encoding': 'chunked' });
        response.end(Buffer.concat([content, content]));
      },
    ],
    [
      'says that it sends less than it has',
      (request, response, content, i) => {
        if (i > 0) return serveWell(request, response, content, i);
        response.writeHead(200, { 'content-length': 1000 }).end(content.subarray(0, 1000));
      },
    ],
    [
      'sends wrong bytes once',
      (request, response, content, i) =>
        serveWell(request, response, i === 0 ? Buffer.alloc(content.length) : content, i),
    ],
    [
      'sends wrong bytes, then cuts',
      (request, response, content, i) =>
        i === 0
          ? cutAfter(100_000)(request, response, Buffer.alloc(content.length), i)
          : serveWell(request, response, content, i),
    ],
    [
      'is busy for a moment',
      (request, response, content, i) =>
        i < 2 ? void response.writeHead(503).end() : serveWell(request, response, content, i),
    ],
    [
      'does not know the address any more that the hub gave',
      (request, response, content, i) =>
        i < 2 ? void response.writeHead(403).end() : serveWell(request, response, content, i),
    ],
  ])('%s is overcome', async (_, serve) => {
    const settings = await start(serve);
    const { path } = await got(settings);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(blobsOf(settings)).toEqual([blobName(bytes)]);
  });

  it.each<[string, Serve, RegExp]>([
    [
      'always sends wrong bytes',
      (request, response, content, i) => serveWell(request, response, Buffer.alloc(content.length), i),
      /^twice, what came of 'model-Q4_K_M\.gguf' has not the sum/,
    ],
    ['always cuts at the same byte', cutAfter(0), /^cannot reach 127\.0\.0\.1:\d+: the connection was cut$/],
    ['sends nothing', (_, response) => void response.end(), /ended 'model-Q4_K_M\.gguf' after 0 of 200000 bytes/],
    ['is always busy', (_, response) => void response.writeHead(502).end(), /answers with status 502/],
  ])('%s is told of, and no file is left under a good name', async (_, serve, sentence) => {
    const settings = await start(serve);
    await expect(got(settings)).rejects.toMatchObject({ kind: 'network', message: expect.stringMatching(sentence) });
    expect(blobsOf(settings)).not.toContain(blobName(bytes));
    expect(() => lstatSync(join(repoFolder(settings), 'snapshots', COMMIT, file))).toThrow();
  });

  it('tells of a larger file than it has is found out', async () => {
    server = await openHubServer({ files: { [file]: bytes }, toldSize: SIZE + 1 });
    const settings = settingsFor(server.endpoint);
    await expect(got(settings)).rejects.toMatchObject({ kind: 'network' });
    expect(blobsOf(settings)).not.toContain(blobName(bytes));
  });
});

describe('a model that is only looked at', () => {
  /** What is read of the file, and what was asked for. */
  const looked = async (files: Readonly<Record<string, Buffer>>, name: string, reads: readonly [number, number][]) => {
    const settings = await start(serveWell, files);
    const place = await hubModelPlace(parseHubReference(name), allForms, settings, silent);
    const opened = await place.open?.(place.path);
    const parts: Uint8Array[] = [];
    for (const [position, length] of reads) parts.push((await opened?.read(position, length)) ?? Buffer.of());
    await opened?.close();
    await place.close();
    return { place, parts, settings };
  };
  const silent = { notice: () => undefined, progress: () => undefined };

  it('is read in ranges, none of them twice, and leaves nothing in the cache', async () => {
    const reads: [number, number][] = [
      [0, 4],
      [2, 70_000],
      [65_536, 1],
      [199_990, 10],
      [130_000, 10_000],
      [5, 0],
    ];
    const { place, parts, settings } = await looked({ [file]: bytes }, 'hf:some/model', reads);
    expect(place.path).toBe(`hf:some/model/${file}`);
    for (const [i, [position, length]] of reads.entries())
      expect(Buffer.compare(parts[i]!, bytes.subarray(position, position + length)), String(reads[i])).toBe(0);
    expect(served()).toEqual(['bytes=0-65535', 'bytes=65536-131071', 'bytes=196608-199999', 'bytes=131072-196607']);
    expect(existsSync(settings.folder)).toBe(false);
  });

  it('is read from the cache where it is there', async () => {
    const settings = await start();
    const { path } = await got(settings);
    const place = await hubModelPlace(parseHubReference('hf:some/model'), allForms, settings, silent);
    expect([place.path, place.open]).toEqual([path, undefined]);
    expect(served()).toEqual(['all']);
  });

  it('is refused where the server gives no parts of it', async () => {
    const settings = await start((_, response, content) => response.end(content));
    const place = await hubModelPlace(parseHubReference('hf:some/model'), allForms, settings, silent);
    const opened = await place.open?.(place.path);
    await expect(opened?.read(0, 4)).rejects.toThrow(`gives no parts of 'hf:some/model/${file}'`);
    await place.close();
  });

  it.each<[string, Buffer]>([
    ['ggml-nano.bin', readFileSync(fixture('whisper/whisper-nano-q4_0.bin'))],
    ['gqa.gguf', readFileSync(fixture('llama/gqa-q4_0.gguf'))],
  ])('has the header of %s as a file here has it', async (name, content) => {
    const settings = await start(serveWell, { [name]: content });
    const place = await hubModelPlace(parseHubReference('hf:some/model'), allForms, settings, silent);
    const there = await openSingleFile(place.path, place.open ?? openFile);
    const path = join(scratch, name);
    writeFileSync(path, content);
    const here = await openSingleFile(path, openFile);
    expect([...there.metadata]).toEqual([...here.metadata]);
    const shapes = ({ tensors }: typeof here) => [...tensors.values()].map((t) => [t.name, t.type, t.shape]);
    expect(shapes(there)).toEqual(shapes(here));
    const [tensor = ''] = [...here.tensors.keys()];
    expect(await there.tensors.get(tensor)?.decode()).toEqual(await here.tensors.get(tensor)?.decode());
    await Promise.all([there.close(), here.close(), place.close()]);
  });
});

describe('what the hub refuses is one sentence, with what to do', () => {
  const refused = async (status: number, headers: Readonly<Record<string, string>>, token?: string) => {
    server = await openHubServer({
      files: {},
      refuse: (_, response) => {
        response.writeHead(status, headers).end('<html>');
        return true;
      },
    });
    return settingsFor(server.endpoint, token === undefined ? {} : { token });
  };

  it.each<[number, string | undefined, Readonly<Record<string, string>>, RegExp, RegExp]>([
    [401, undefined, {}, /^some\/model does not exist on 127\S+, or is private$/, /HF_TOKEN/],
    [401, 'bad', {}, /does not accept the token/, /settings\/tokens/],
    [403, 'good', {}, /does not let this token read some\/model/, /accept its conditions at http:\S+\/some\/model/],
    [404, undefined, {}, /^some\/model does not exist on 127/, /check its name/],
    [404, undefined, { 'x-error-code': 'RevisionNotFound' }, /^some\/model has not this revision/, /see what it has/],
    [429, undefined, { 'retry-after': '0.01' }, /was asked too often \(429\)/, /HF_TOKEN/],
    [500, undefined, {}, /answers with status 500/, /--offline/],
    [418, undefined, {}, /answers with status 418/, /see http/],
  ])('%i with token %s', async (status, token, headers, sentence, hint) => {
    const settings = await refused(status, headers, token);
    await expect(got(settings)).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringMatching(sentence),
      hint: expect.stringMatching(hint),
    });
    expect(server?.requests.length).toBe(status === 429 || status === 500 ? 5 : 1);
  });

  it('a hub that is none is told of', async () => {
    server = await openHubServer({
      files: {},
      refuse: (_, response) => {
        response.end('<html>Please log in to this network</html>');
        return true;
      },
    });
    await expect(got(settingsFor(server.endpoint))).rejects.toThrow(/is no hub, or answers strangely for some\/model/);
  });

  it('requests that are sent round in circles end', async () => {
    server = await openHubServer({
      files: {},
      refuse: (request, response) => {
        response.writeHead(302, { location: request.url ?? '' }).end();
        return true;
      },
    });
    await expect(got(settingsFor(server.endpoint))).rejects.toThrow(/round in circles/);
  });

  it('a disk without room for it is told of before anything is downloaded', async () => {
    server = await openHubServer({ files: { [file]: bytes }, toldSize: 2 ** 52 });
    await expect(got(settingsFor(server.endpoint))).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringMatching(/^some\/model needs 4096\.0 TiB more, the disk of '.*' has .* free$/),
      hint: expect.stringMatching(/make room.*HF_HUB_CACHE/),
    });
    expect(served()).toEqual([]);
  });

  it('a file that would lie outside of the cache is refused', async () => {
    const settings = await start(serveWell, { '../../evil.gguf': bytes });
    await expect(got(settings)).rejects.toThrow(/is no path of a file in a repository/);
  });
});

describe('a name of the hub', () => {
  it.each([
    ['hf:a/b', { repo: 'a/b', revision: 'main', wanted: { kind: 'any' } }],
    ['a/b:Q4_K_M', { repo: 'a/b', revision: 'main', wanted: { kind: 'quant', name: 'Q4_K_M' } }],
    ['hf:a/b.c/x/y.gguf', { repo: 'a/b.c', revision: 'main', wanted: { kind: 'file', path: 'x/y.gguf' } }],
    ['hf:a/b@v1:q8_0', { repo: 'a/b', revision: 'v1', wanted: { kind: 'quant', name: 'q8_0' } }],
  ])('%s is read', (text, reference) => {
    expect(parseHubReference(text)).toEqual(reference);
    expect(nameOf(parseHubReference(text))).toBe(text.startsWith('hf:') ? text : `hf:${text}`);
  });

  it.each(['hf:', 'hf:a', 'hf:../b', 'hf:a/..', 'hf:a/b/../../c', 'hf:a/b:', 'hf:a/b/c//d', 'hf:a/b/c\\d', 'hf:a b/c'])(
    '%s is refused',
    (text) => {
      expect(() => parseHubReference(text)).toThrow(/names no model of the hub|no path of a file/);
    },
  );

  const repo = (...paths: string[]) => paths.map((path) => ({ path }));
  const several = repo('a-F16.gguf', 'a-IQ4_XS.gguf', 'a-Q4_K_M.gguf', 'a-Q8_0.gguf', 'mmproj-a-Q4_K_M.gguf', 'x.md');

  it.each([
    ['hf:a/b', several, 'a-Q4_K_M.gguf'],
    ['hf:a/b:f16', several, 'a-F16.gguf'],
    ['hf:a/b:iq4_xs', several, 'a-IQ4_XS.gguf'],
    ['hf:a/b/mmproj-a-Q4_K_M.gguf', several, 'mmproj-a-Q4_K_M.gguf'],
    ['hf:a/b', repo('z.gguf', 'y-Q8_0.gguf'), 'y-Q8_0.gguf'],
    ['hf:a/b', repo('z.Q2_K.gguf', 'y.Q3_K.gguf'), 'z.Q2_K.gguf'],
    ['hf:a/b:q5_1', repo('ggml-base.bin', 'ggml-base-q5_1.bin'), 'ggml-base-q5_1.bin'],
  ])('%s means one of the files there', (name, files, path) => {
    expect(chooseFiles(files, parseHubReference(name), allForms).files.map((f) => f.path)).toEqual([path]);
  });

  it('that no file fits is refused with what there is', () => {
    expect(() => chooseFiles(several, parseHubReference('hf:a/b:Q6_K'), allForms)).toThrow('a/b has no Q6_K');
    expect(() => chooseFiles(repo('m-00001-of-00002.gguf'), parseHubReference('hf:a/b'), allForms)).toThrow(
      "'m-00002-of-00002.gguf' is missing",
    );
  });
});

describe('the environment says', () => {
  const folderFor = (env: Readonly<Record<string, string>>) => hubSettings({}, env, '/home/me').folder;

  it.each([
    [{}, '/home/me/.cache/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, '/new'],
    [{ HF_HUB_CACHE: '/new', LLAMA_CACHE: '/l' }, '/l'],
  ])('by %j where models are kept', (env, folder) => {
    expect(folderFor(env)).toBe(folder);
  });

  it('who asks, whom, and whether at all; flags come first', () => {
    const env = { HF_TOKEN: 'a', HF_ENDPOINT: 'https://mirror.example/', HF_HUB_OFFLINE: '1' };
    expect(hubSettings({}, env, '/home/me')).toMatchObject({
      token: 'a',
      endpoint: 'https://mirror.example',
      isOffline: true,
    });
    expect(hubSettings({ token: 'b' }, env, '/home/me').token).toBe('b');
    expect(hubSettings({ isOffline: true }, {}, '/home/me').isOffline).toBe(true);
    expect(hubSettings({}, { HF_HUB_OFFLINE: '0' }, '/home/me').isOffline).toBe(false);
    expect(() => hubSettings({}, { HF_ENDPOINT: 'mirror' }, '/home/me')).toThrow("the hub's address 'mirror' is none");
  });

  it('the token that logging in left, where nothing else does', () => {
    mkdirSync(join(scratch, 'hf-home'));
    writeFileSync(join(scratch, 'hf-home', 'token'), 'stored\n');
    expect(hubSettings({}, { HF_HOME: join(scratch, 'hf-home') }).token).toBe('stored');
  });
});
