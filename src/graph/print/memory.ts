/** Memory of a run as a bar chart in text. */

import { aligned } from './cost.ts';
import type { Memory, Step } from './liveness.ts';

const WIDTH = 40;

/** Weights, cache and the peak of what lives in between; then the peak of every block, one after the other. */
export const printMemory = ({ weightBytes, cacheBytes, steps, peak }: Memory, title: string): string => {
  const parts: readonly (readonly [string, number])[] = [
    ['weights', weightBytes],
    ['cache', cacheBytes],
    ['activations', peak.liveBytes],
    ['together', weightBytes + cacheBytes + peak.liveBytes],
  ];
  return [
    `${title}\n`,
    chart(parts),
    `\nactivations, at most while each block runs; the peak is at ${peak.node.name}\n`,
    chart(blockPeaks(steps)),
  ].join('');
};

/** The largest step of each block, in the order in which they run. */
const blockPeaks = (steps: readonly Step[]): readonly (readonly [string, number])[] => {
  const peaks = new Map<string, number>();
  for (const { node, liveBytes } of steps) {
    const block = node.path.length > 0 ? node.path.slice(0, 2).join('/') : node.name;
    peaks.set(block, Math.max(peaks.get(block) ?? 0, liveBytes));
  }
  return [...peaks];
};

const chart = (bars: readonly (readonly [name: string, bytes: number])[]): string => {
  const most = Math.max(...bars.map(([, bytes]) => bytes), 1);
  const bar = (bytes: number) => '#'.repeat(Math.round((WIDTH * bytes) / most));
  return aligned(bars.map(([name, bytes]) => [name, bar(bytes).padEnd(WIDTH), mebibytes(bytes)]));
};

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(3)} MiB`;
