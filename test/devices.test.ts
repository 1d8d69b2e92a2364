/** Machines and wishes: which device runs, and what a person is told. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UserError } from '../src/errors.ts';
import type { Device, DeviceState, Wish } from '../src/graph/device/device.ts';
import { chooseDevice, deviceId, parseWish } from '../src/graph/device/device.ts';
import { listDevices } from '../src/graph/device/list.ts';
import type { Provider } from '../src/graph/lower/target.ts';
import { grafoAlone } from './commands/run.ts';
import { scratch } from './fixtures.ts';

const redFish = fileURLToPath(new URL('../demo/samples/red-fish.png', import.meta.url));

describe('--device', () => {
  it.each<[text: string, wish: Wish]>([
    ['auto', { kind: 'auto' }],
    ['cpu', { kind: 'named', provider: 'cpu', index: 0 }],
    ['none', { kind: 'named', provider: 'cpu', index: 0 }],
    ['cuda', { kind: 'named', provider: 'cuda', index: 0 }],
    ['cuda:0', { kind: 'named', provider: 'cuda', index: 0 }],
    ['cuda:1', { kind: 'named', provider: 'cuda', index: 1 }],
    ['webgpu', { kind: 'named', provider: 'webgpu', index: 0 }],
    ['webgpu:2', { kind: 'named', provider: 'webgpu', index: 2 }],
    ['dml:12', { kind: 'named', provider: 'dml', index: 12 }],
    ['coreml', { kind: 'named', provider: 'coreml', index: 0 }],
  ])('%s is understood', (text, wish) => {
    expect(parseWish(text)).toEqual(wish);
  });

  it.each([
    '',
    'gpu',
    'CPU',
    'cpu:0',
    'cpu:1',
    'coreml:1',
    'none:1',
    'auto:1',
    'cuda:',
    'cuda:-1',
    'cuda:x',
    'cuda:1:2',
    ' cpu',
  ])("'%s' is refused with the list of what there is", (text) => {
    const refused = thrown(() => parseWish(text));
    expect(refused.kind).toBe('usage');
    expect(refused.message).toBe(`unknown device '${text}'`);
    expect(refused.hint).toMatch(/auto, cpu, cuda, webgpu, dml, coreml/);
  });

  it.each(['cpu', 'cuda', 'cuda:1', 'webgpu:3', 'dml', 'coreml'])('%s is written as it is read', (text) => {
    const wish = parseWish(text);
    expect(wish.kind === 'named' && deviceId(wish)).toBe(text);
  });
});

const thrown = (run: () => unknown): UserError => {
  try {
    run();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

const GB = 2 ** 30;
const available: DeviceState = { kind: 'available' };
const absent: DeviceState = { kind: 'absent' };
const failing = (why: string): DeviceState => ({ kind: 'failing', why });
const device = (
  provider: Provider,
  state: DeviceState,
  { index = 0, memory }: { index?: number; memory?: number } = {},
): Device => ({
  provider,
  index,
  name: `${provider} of the table`,
  state,
  ...(memory !== undefined && { memoryBytes: memory }),
});

const cpu = device('cpu', available, { memory: 8 * GB });
const server = [cpu];
const desktop = [
  cpu,
  device('cuda', available, { memory: 24 * GB }),
  device('webgpu', available),
  device('dml', absent),
];
const twoCards = [...desktop, device('cuda', available, { index: 1, memory: 80 * GB })];
const brokenDriver = [cpu, device('cuda', failing('its libraries are not installed')), device('webgpu', available)];
const nothingStarts = [cpu, device('cuda', failing('no libcudnn')), device('webgpu', failing('no adapter'))];
const laptop = [cpu, device('coreml', available), device('webgpu', available)];
const windows = [device('webgpu', available), cpu, device('dml', available)];
const smallCard = [cpu, device('cuda', available, { memory: 2 * GB })];
const smallCards = [...smallCard, device('webgpu', available, { memory: 4 * GB })];

describe('the device that runs', () => {
  it.each<[what: string, all: readonly Device[], wish: string, needGB: number, id: string, why: string]>([
    ['a server has only its processor', server, 'auto', 1, 'cpu', 'no other device here'],
    ['a server runs on its processor when asked', server, 'cpu', 1, 'cpu', 'as asked'],
    ['none is the processor', desktop, 'none', 1, 'cpu', 'as asked'],
    ['the processor runs what its memory does not hold', server, 'auto', 100, 'cpu', 'no other device here'],
    ['auto likes CUDA best', desktop, 'auto', 1, 'cuda', 'the fastest here'],
    ['a named processor beats a card', desktop, 'cpu', 1, 'cpu', 'as asked'],
    ['a named card beats a faster one', desktop, 'webgpu', 1, 'webgpu', 'as asked'],
    ['the first of two cards is the default', twoCards, 'cuda', 1, 'cuda', 'as asked'],
    ['the second of two cards is named by its number', twoCards, 'cuda:1', 1, 'cuda:1', 'as asked'],
    ['auto takes the card that has room', twoCards, 'auto', 40, 'cuda:1', 'cuda has too little memory'],
    ['auto likes CoreML better than WebGPU', laptop, 'auto', 1, 'coreml', 'the fastest here'],
    ['auto likes DirectML better than WebGPU', windows, 'auto', 1, 'dml', 'the fastest here'],
    [
      'auto passes over a card that fails, and says so',
      brokenDriver,
      'auto',
      1,
      'webgpu',
      'cuda does not start: its libraries are not installed',
    ],
    [
      'auto falls back to the processor, and says why for each card',
      nothingStarts,
      'auto',
      1,
      'cpu',
      'cuda does not start: no libcudnn; webgpu does not start: no adapter',
    ],
    ['auto falls back when the card is too small', smallCard, 'auto', 3, 'cpu', 'cuda has too little memory'],
    ['a card that is just large enough runs', smallCard, 'auto', 2, 'cuda', 'the fastest here'],
    ['auto takes the next card that has room', smallCards, 'auto', 3, 'webgpu', 'cuda has too little memory'],
    ['a named card is not measured', smallCard, 'cuda', 100, 'cuda', 'as asked'],
  ])('%s', (_, all, wish, needGB, id, why) => {
    const choice = chooseDevice(all, parseWish(wish), needGB * GB);
    expect(deviceId(choice.device)).toBe(id);
    expect(choice.why).toBe(why);
  });

  it.each<[what: string, all: readonly Device[], wish: string, message: string]>([
    ['does not start', brokenDriver, 'cuda', "device 'cuda' does not start: its libraries are not installed"],
    ['is not of this platform', desktop, 'dml', "device 'dml' does not exist on this platform"],
    ['nobody has heard of', server, 'webgpu', "device 'webgpu' does not exist on this platform"],
    ['is one card too many', twoCards, 'cuda:2', "device 'cuda:2' does not exist on this platform"],
  ])('is an error when the named one %s, though others would run', (_, all, wish, message) => {
    const refused = thrown(() => chooseDevice(all, parseWish(wish), GB));
    expect(refused.kind).toBe('device');
    expect(refused.message).toBe(message);
    expect(refused.hint).toMatch(/--list-devices/);
  });

  it('the order of the list does not matter', () => {
    for (const all of [desktop, brokenDriver, laptop, smallCards]) {
      const [there, back] = [all, [...all].reverse()].map((list) => chooseDevice(list, { kind: 'auto' }, GB));
      expect(there).toEqual(back);
    }
  });
});

describe('this machine', () => {
  it('has a processor that runs, with its memory', async () => {
    const devices = await listDevices(scratch, [{ provider: 'cpu', index: 0 }]);
    expect(devices).toHaveLength(1);
    expect(devices[0]).toMatchObject({ provider: 'cpu', index: 0, state: { kind: 'available' } });
    expect(devices[0]!.name).toMatch(/, \d+ threads$/);
    expect(devices[0]!.memoryBytes).toBeGreaterThan(0);
  });

  it('is asked which providers it was built with: what another platform has is absent here', async () => {
    const foreign: Provider = process.platform === 'darwin' ? 'dml' : 'coreml';
    const [other] = await listDevices(scratch, [{ provider: foreign, index: 0 }]);
    expect(other).toMatchObject({ provider: foreign, state: { kind: 'absent' } });
  });

  it('is asked for the very card that was named', async () => {
    const [second] = await listDevices(scratch, [{ provider: 'cuda', index: 1 }]);
    expect(second).toMatchObject({ provider: 'cuda', index: 1 });
  });

  it('has no second adapter for webgpu, which the runtime chooses itself', async () => {
    const [second] = await listDevices(scratch, [{ provider: 'webgpu', index: 1 }]);
    expect(['failing', 'absent']).toContain(second?.state.kind);
  });

  it('tells nobody what ran: the runtime leaves no identifier and no queue of events behind', async () => {
    const home = join(scratch, 'home');
    const folders = { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), TMPDIR: join(home, 'tmp') };
    for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
    // Where these are set the runtime says nothing anyway.
    const people = { CI: undefined, TF_BUILD: undefined, GITHUB_ACTIONS: undefined, ORT_DISABLE_TELEMETRY: undefined };
    const { code } = await grafoAlone(['vit', redFish], { env: { ...folders, ...people } });
    expect(code).toBe(0);
    expect(readdirSync(home, { recursive: true }).sort()).toEqual(['cache', 'tmp']);
  });
});
