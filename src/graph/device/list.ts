/** What this machine has: asks the runtime which providers it was built with, and each of them to start. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { builtFile } from '../../system/built-file.ts';
import { GraphBuilder } from '../builder.ts';
import { lower } from '../lower/lower.ts';
import type { Provider } from '../lower/target.ts';
import { silu } from '../ops/arithmetic.ts';
import { runtimeCause } from './cause.ts';
import type { Device, DeviceState } from './device.ts';
import { providers } from './device.ts';
import { writeProgram } from './files.ts';
import type { ProbeRequest, ProbeResult } from './probe.ts';
import { env, listSupportedBackends } from './runtime.ts';

const run = promisify(execFile);
const probeFile = fileURLToPath(builtFile('graph/device/probe'));

/** Of ONNX Runtime's binding. */
export const runtimeVersion: string = env.versions.node ?? '';

const cpu = (): Device => ({
  provider: 'cpu',
  index: 0,
  name: `${cpus()[0]?.model.trim() ?? 'processor'}, ${availableParallelism()} threads`,
  state: { kind: 'available' },
  memoryBytes: totalmem(),
});

/** A device before anybody has looked for it. */
type Asked = Pick<Device, 'provider' | 'index'>;

const firstOfEach: readonly Asked[] = providers.map((provider) => ({ provider, index: 0 }));

/**
 * The state of these devices; each but the CPU is started once, with a graph of one operation.
 * @param cacheFolder where that graph's files go for a moment
 */
export const listDevices = async (
  cacheFolder: string,
  asked: readonly Asked[] = firstOfEach,
): Promise<readonly Device[]> => {
  const built = new Set(listSupportedBackends().map((backend) => backend.name));
  const devices: Device[] = [];
  for (const { provider, index } of asked) {
    if (provider === 'cpu') devices.push(cpu());
    else devices.push(await probe({ provider, index }, built.has(provider), cacheFolder));
  }
  return devices;
};

/** The devices that `auto` should look at: where the system shows no graphics card, starting providers is in vain. */
export const listLikelyDevices = async (cacheFolder: string): Promise<readonly Device[]> =>
  hasGraphicsCard() ? listDevices(cacheFolder) : [cpu()];

/** Linux shows cards as device files; a software renderer has none. Elsewhere only the provider itself can tell. */
const hasGraphicsCard = (): boolean => {
  if (process.platform !== 'linux') return true;
  const cards = existsSync('/dev/dri') ? readdirSync('/dev/dri').filter((name) => name.startsWith('renderD')) : [];
  return cards.length > 0 || existsSync('/dev/nvidiactl') || existsSync('/dev/dxg');
};

const title: Readonly<Record<Provider, string>> = {
  cpu: 'processor',
  cuda: 'NVIDIA CUDA',
  webgpu: 'WebGPU (Vulkan, Metal or Direct3D 12)',
  dml: 'DirectML',
  coreml: 'Apple CoreML',
};

/** A driver that needs longer than this to start is of no use. */
const PROBE_MS = 20_000;

const probe = async ({ provider, index }: Asked, isBuilt: boolean, cacheFolder: string): Promise<Device> => {
  const isSoftware = provider === 'webgpu' && !hasGraphicsCard();
  const name = isSoftware ? 'WebGPU through a software renderer' : title[provider];
  const device = (state: DeviceState): Device => ({ provider, index, name, state, isSoftware });
  if (!isBuilt) return device({ kind: 'absent' });
  if (provider === 'webgpu' && index > 0)
    return device({ kind: 'failing', why: 'the runtime chooses the adapter, and only one' });
  const why = await startWith({ provider, index }, false, cacheFolder);
  if (why !== undefined) return device({ kind: 'failing', why });
  const hasHalves = (await startWith({ provider, index }, true, cacheFolder)) === undefined;
  return { ...device({ kind: 'available' }), hasHalves };
};

/** Why a provider does not run one operation, in float16 or float32; undefined when it does. */
const startWith = async (
  { provider, index }: Asked,
  halves: boolean,
  cacheFolder: string,
): Promise<string | undefined> => {
  const g = new GraphBuilder('probe');
  g.output('y', silu(g, g.input('x', 'f32', [1])));
  const program = lower(g.build(), { provider, compute: 'f32', fused: true, halves }, {});
  const files = await writeProgram(program, cacheFolder);
  try {
    const { onnx: _onnx, initializers: _initializers, ...plain } = program;
    // That the processor takes over says nothing of the device.
    const options = { model: files.model, program: plain, provider, index, threads: 1, strict: halves };
    return await start({ options, inputs: { x: { dims: [1], values: [1] } } });
  } finally {
    await files.remove();
  }
};

/** Why a provider does not start; undefined when it does. */
const start = async (request: ProbeRequest): Promise<string | undefined> => {
  try {
    // What drivers print goes with their process's stderr, which execFile keeps from the terminal.
    const { stdout } = await run(process.execPath, [probeFile, JSON.stringify(request)], { timeout: PROBE_MS });
    const { error } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as ProbeResult;
    return error === undefined ? undefined : runtimeCause(error);
  } catch (error) {
    const { killed, signal, code } = error as { killed?: boolean; signal?: string; code?: number };
    return killed ? `it did not start within ${PROBE_MS / 1000} s` : `its driver crashed (${signal ?? `exit ${code}`})`;
  }
};
