/** What this machine's processor does in a second, measured with products like a model's. */
import { GraphBuilder } from '../builder.ts';
import { lower } from '../lower/lower.ts';
import { linear } from '../ops/matmul.ts';
import type { StoredTensor } from '../weights.ts';
import { Weights } from '../weights.ts';
import type { Device } from './device.ts';
import { openSession } from './session.ts';

export interface MachineSpeed {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Many rows keep arithmetic busy, one row only memory; the weights of that are larger than any cache. */
const ARITHMETIC = { nRow: 256, width: 2048 };
const MEMORY = { nRow: 1, width: 6144 };

const RUNS = 6;

/** The best of a few runs of each. Takes about a second. */
export const measureMachine = async (device: Device, threads: number, cacheFolder: string): Promise<MachineSpeed> => {
  const seconds = (size: typeof ARITHMETIC) => productSeconds(size, device, { threads, cacheFolder });
  return {
    flopsPerSecond: (2 * ARITHMETIC.nRow * ARITHMETIC.width ** 2) / (await seconds(ARITHMETIC)),
    bytesPerSecond: (4 * MEMORY.width ** 2) / (await seconds(MEMORY)),
  };
};

const productSeconds = async (
  { nRow, width }: typeof ARITHMETIC,
  device: Device,
  options: { readonly threads: number; readonly cacheFolder: string },
): Promise<number> => {
  const g = new GraphBuilder('measure');
  const x = g.input('x', 'f32', [nRow, width]);
  const tensors = new Map([['w', zeros('w', [width, width])]]);
  const weight = new Weights({ metadata: new Map(), tensors }).tensor('w', [width, width]);
  g.output('y', linear(g, x, { weight }));
  const program = lower(g.build(), { provider: device.provider, compute: 'f32', fused: true }, {});
  const session = await openSession(program, device, options);
  try {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < RUNS; i++) {
      const data = new Float32Array(nRow * width).fill(1);
      const start = performance.now();
      await session.run({ x: { dtype: 'f32', dims: [nRow, width], data } });
      best = Math.min(best, (performance.now() - start) / 1e3);
    }
    return best;
  } finally {
    await session.close();
  }
};

const zeros = (name: string, shape: readonly [number, number]): StoredTensor => {
  const n = shape[0] * shape[1];
  return {
    name,
    type: 'f32',
    shape,
    byteLength: 4 * n,
    read: async () => new Uint8Array(4 * n),
    decode: async () => new Float32Array(n),
  };
};
