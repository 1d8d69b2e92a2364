/** Where the time of a run went, by block and by operation, and which device did what. */
import { aligned } from './cost.ts';
import type { BoxTime, View } from './view.ts';

export interface NodeTime {
  /** Of the lowered node: 'blk.0.attn_q/MatMul'. */
  readonly name: string;
  /** ONNX's operation. */
  readonly op: string;
  readonly path: readonly string[];
  readonly device: string;
  readonly ms: number;
}

interface Sum {
  readonly name: string;
  readonly devices: ReadonlySet<string>;
  readonly n: number;
  readonly ms: number;
}

/** The view with the time of each box: that of all that its tensor was lowered to. What a fused kernel did is the time of the last. */
export const timedView = (view: View, times: readonly NodeTime[]): View => {
  const byTensor = new Map<string, BoxTime>();
  for (const { name, device, ms } of times) {
    const [tensor = name] = name.split('/');
    const before = byTensor.get(tensor);
    byTensor.set(tensor, {
      ms: ms + (before?.ms ?? 0),
      devices: [...new Set([...(before?.devices ?? []), device])].toSorted(),
    });
  }
  return {
    ...view,
    boxes: view.boxes.map((box) => {
      const time = byTensor.get(box.id);
      return time ? { ...box, time } : box;
    }),
  };
};

/** Two tables: each block (alike blocks of all layers together), then each operation; the slowest first. */
export const printProfile = (times: readonly NodeTime[], title: string): string => {
  const all = times.reduce((sum, { ms }) => sum + ms, 0);
  const table = (head: string, sums: readonly Sum[]) =>
    aligned([
      [head, 'device', 'nodes', 'ms', '%'],
      ...sums.map(({ name, devices, n, ms }) => [
        name,
        [...devices].sort().join(', '),
        String(n),
        ms.toFixed(3),
        ((100 * ms) / all).toFixed(1),
      ]),
    ]);
  const blockOf = ({ path, name }: NodeTime) =>
    (path.length > 0 ? path.slice(0, 2).join('/') : (name.split('/')[0] ?? name))
      .replace(/#\d+$/, '')
      .replace(/\.\d+\//, '.*/');
  return [
    `${title}: ${all.toFixed(3)} ms\n\n`,
    table('block', sumsBy(times, blockOf)),
    '\n',
    table(
      'operation',
      sumsBy(times, ({ op }) => op),
    ),
  ].join('');
};

const sumsBy = (times: readonly NodeTime[], keyOf: (time: NodeTime) => string): readonly Sum[] => {
  const sums = new Map<string, Sum>();
  for (const time of times) {
    const name = keyOf(time);
    const { devices, n, ms } = sums.get(name) ?? { devices: new Set<string>(), n: 0, ms: 0 };
    sums.set(name, { name, devices: new Set([...devices, time.device]), n: n + 1, ms: ms + time.ms });
  }
  return [...sums.values()].sort((a, b) => b.ms - a.ms);
};
