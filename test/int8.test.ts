/** Products of 8-bit integers: when image models take them by themselves, and that they are right on any processor. */
import { describe, expect, it } from 'vitest';
import { imageCompute, imageMemory } from '../src/commands/vit/model.ts';
import type { Device } from '../src/graph/device/device.ts';
import { multipliesInt8 } from '../src/graph/device/int8.ts';
import { inventModel } from '../src/io/invented.ts';
import { onProcessor } from './open-options.ts';

const cpu: Device = { provider: 'cpu', index: 0, name: 'a processor', state: { kind: 'available' } };
const card: Device = { ...cpu, provider: 'cuda', name: 'a card' };

describe('products of 8-bit integers', () => {
  it('are right even for the largest, by kernels that no processor lacks', async () => {
    expect(await multipliesInt8(true)).toBe(true);
  });
});

describe('--compute auto of an image model', async () => {
  const fastest = (await multipliesInt8()) ? 'int8' : 'f32';

  it.each([
    ['a narrow model on a processor is exact', cpu, 'auto', 192, 'f32'],
    ['a wide model on a processor takes integers where they are right', cpu, 'auto', 384, fastest],
    ['a wide model on a card is exact', card, 'auto', 768, 'f32'],
    ['a card of float16 takes blocks', { ...card, hasHalves: true }, 'auto', 768, 'block'],
    ['a card of float16 that must not use it is exact', { ...card, hasHalves: true }, 'f32', 768, 'f32'],
  ] as const)('%s', async (_, device, activations, nEmbd, compute) => {
    expect(await imageCompute(device, activations, { nEmbd })).toBe(compute);
  });

  it('gives way to what is asked for', async () => {
    const source = inventModel('vit-small', undefined, 'f16');
    const settingOf = async (compute: 'auto' | 'f32') => {
      const options = { ...onProcessor, batchSize: 1, looks: false, compute };
      return (await imageMemory(source, 'vit-small', options)).setting;
    };
    expect(await settingOf('auto')).toMatch(new RegExp(`^compute ${fastest}, `));
    expect(await settingOf('f32')).toMatch(/^compute f32, /);
  });
});
