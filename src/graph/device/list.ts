/** What this machine has: asks the runtime which providers it was built with, and each of them to start. */
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { listSupportedBackends } from 'onnxruntime-node';
import { GraphBuilder } from '../builder.ts';
import { lower } from '../lower/lower.ts';
import type { Provider } from '../lower/target.ts';
import { silu } from '../ops/arithmetic.ts';
import type { Device, DeviceState } from './device.ts';
import { providers } from './device.ts';
import { openSession } from './session.ts';

const cpu = (): Device => ({
  provider: 'cpu',
  index: 0,
  name: `${cpus()[0]?.model.trim() ?? 'processor'}, ${availableParallelism()} threads`,
  state: { kind: 'available' },
  memoryBytes: totalmem(),
});

/**
 * The CPU and the state of these providers; every one of them is started once, with a graph of one operation.
 * @param cacheFolder where that graph's files go for a moment
 */
export const listDevices = async (
  cacheFolder: string,
  asked: readonly Provider[] = providers,
): Promise<readonly Device[]> => {
  const built = new Set(listSupportedBackends().map((backend) => backend.name));
  const devices: Device[] = [];
  for (const provider of asked) {
    if (provider === 'cpu') devices.push(cpu());
    else devices.push(await probe(provider, built.has(provider), cacheFolder));
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

const probe = async (provider: Provider, isBuilt: boolean, cacheFolder: string): Promise<Device> => {
  const device = (state: DeviceState): Device => ({ provider, index: 0, name: title[provider], state });
  if (!isBuilt) return device({ kind: 'absent' });
  const g = new GraphBuilder('probe');
  g.output('y', silu(g, g.input('x', 'f32', [1])));
  const program = lower(g.build(), { provider, compute: 'f32', fused: true }, {});
  try {
    const session = await openSession(program, device({ kind: 'available' }), { threads: 1, cacheFolder });
    await session.run({ x: { dtype: 'f32', dims: [1], data: Float32Array.of(1) } });
    await session.close();
    return device({ kind: 'available' });
  } catch (error) {
    return device({ kind: 'failing', why: cause(error as Error) });
  }
};

/** The runtime's own words, without its stack of locations. */
const cause = (error: Error): string => {
  const text = error.message.replace(/^device '[^']*' cannot load the model: /, '').split('\n')[0] ?? '';
  return text.replace(/^.*?Status Message: /, '').trim();
};
