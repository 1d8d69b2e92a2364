/** What this machine does in a second, measured with products like a model's, through the runtime that models run on. */
import { GraphBuilder } from '../builder.ts';
import { lower } from '../lower/lower.ts';
import type { Compute } from '../lower/target.ts';
import { hasKernel } from '../lower/target.ts';
import { add } from '../ops/arithmetic.ts';
import { linear } from '../ops/matmul.ts';
import { slice } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { constantMatrix } from './constant-matrix.ts';
import type { Device } from './device.ts';
import { openSession } from './session.ts';

export interface MachineSpeed {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** What a device can do at most: results on different machines can be read as shares of it. */
export interface Roofline extends MachineSpeed {
  /** Read and written. */
  readonly copiedBytesPerSecond: number;
  /** Of products of 8-bit integers; absent where there is no kernel for them. */
  readonly int8PerSecond?: number;
}

interface Extent {
  readonly nRow: number;
  readonly nIn: number;
  readonly nOut: number;
}

interface Extents {
  /** Many rows keep arithmetic busy. */
  readonly arithmetic: Extent;
  /** One row keeps only memory busy: the weights are larger than any cache. */
  readonly memory: Extent;
}

const processor: Extents = {
  arithmetic: { nRow: 256, nIn: 2048, nOut: 2048 },
  memory: { nRow: 1, nIn: 6144, nOut: 6144 },
};
const card: Extents = {
  arithmetic: { nRow: 4096, nIn: 4096, nOut: 4096 },
  memory: { nRow: 1, nIn: 16384, nOut: 8192 },
};
const software: Extents = {
  arithmetic: { nRow: 64, nIn: 512, nOut: 512 },
  memory: { nRow: 1, nIn: 2048, nOut: 2048 },
};

const extentsOf = ({ provider, isSoftware = false }: Device): Extents => {
  if (provider === 'cpu') return processor;
  return isSoftware ? software : card;
};

const RUNS = 6;

interface MeasureOptions {
  readonly threads: number;
  readonly cacheFolder: string;
}

/** The best of a few runs of each. Takes about a second. */
export const measureMachine = async (device: Device, options: MeasureOptions): Promise<MachineSpeed> => {
  const { arithmetic, memory } = extentsOf(device);
  return {
    flopsPerSecond: operations(arithmetic) / (await productSeconds(arithmetic, 'f32', device, options)),
    bytesPerSecond: bytes(memory) / (await productSeconds(memory, 'f32', device, options)),
  };
};

/** The same, and what else a device can do. */
export const measureRoofline = async (device: Device, options: MeasureOptions): Promise<Roofline> => {
  const { arithmetic, memory } = extentsOf(device);
  const int8 = { provider: device.provider, compute: 'int8', fused: true } as const;
  const hasInt8 = hasKernel(int8, 'DynamicQuantizeMatMul');
  return {
    ...(await measureMachine(device, options)),
    copiedBytesPerSecond: (2 * bytes(memory)) / (await copySeconds(memory, device, options)),
    ...(hasInt8 && {
      int8PerSecond: operations(arithmetic) / (await productSeconds(arithmetic, 'int8', device, options)),
    }),
  };
};

const operations = ({ nRow, nIn, nOut }: Extent): number => 2 * nRow * nIn * nOut;
const bytes = ({ nIn, nOut }: Extent): number => 4 * nIn * nOut;

/** A product of weights alone: nothing but one number goes in, and one row comes out. */
const productSeconds = (
  { nRow, nIn, nOut }: Extent,
  compute: Compute,
  device: Device,
  options: MeasureOptions,
): Promise<number> =>
  seconds(compute, device, options, (g, x) => {
    const rows = add(g, g.weight(constantMatrix('rows', [nRow, nIn], 0)), x);
    return linear(g, rows, { weight: constantMatrix('w', [nOut, nIn], 0) });
  });

const copySeconds = ({ nIn, nOut }: Extent, device: Device, options: MeasureOptions): Promise<number> =>
  seconds('f32', device, options, (g, x) => add(g, g.weight(constantMatrix('w', [nOut, nIn], 0)), x));

const seconds = async (
  compute: Compute,
  device: Device,
  options: MeasureOptions,
  build: (g: GraphBuilder, x: Tensor) => Tensor,
): Promise<number> => {
  const g = new GraphBuilder('measure');
  g.output('y', slice(g, build(g, g.input('x', 'f32', [1])), 0, 0, 1));
  const program = lower(g.build(), { provider: device.provider, compute, fused: true }, {});
  const session = await openSession(program, device, options);
  try {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < RUNS; i++) {
      const start = performance.now();
      await session.run({ x: { dtype: 'f32', dims: [1], data: Float32Array.of(i) } });
      best = Math.min(best, (performance.now() - start) / 1e3);
    }
    return best;
  } finally {
    await session.close();
  }
};
