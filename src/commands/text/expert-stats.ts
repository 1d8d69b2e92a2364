/** `--expert-stats`: which experts the tokens chose, layer by layer, and what a token reads of the weights. */
import type { HostTensor } from '../../graph/device/engine.ts';
import type { StoredTensor } from '../../graph/weights.ts';
import type { WatchedLayer } from '../../models/watch-experts.ts';

export interface ExpertStats {
  /** Counts what one run tells. */
  add(outputs: Readonly<Record<string, HostTensor>>): void;
  /** For a person; no line where the model has no experts. */
  lines(): readonly string[];
  json(): unknown;
}

/** Counts which experts are chosen, layer by layer. */
export const createExpertStats = (
  layers: readonly WatchedLayer[],
  tensors: ReadonlyMap<string, StoredTensor>,
): ExpertStats => {
  const counts = new Map(layers.map((layer) => [layer, new Array<number>(layer.nExpert).fill(0)]));
  const stored = [...tensors.values()];
  const total = stored.reduce((sum, t) => sum + t.byteLength, 0);
  const active = activeBytes(stored, layers[0]);
  return {
    add(outputs) {
      for (const [layer, count] of counts)
        for (const id of outputs[layer.output]?.data ?? []) count[Number(id)] = (count[Number(id)] ?? 0) + 1;
    },
    lines() {
      const [first] = layers;
      if (!first) return ['experts: this model has none'];
      const share = ((100 * active) / total).toFixed(1);
      return [
        `experts: ${first.nUsed} of ${first.nExpert} a token; a token reads ${mib(active)} of ${mib(total)} (${share} %)`,
        ...[...counts].map(([layer, count]) => layerLine(layer, count)),
      ];
    },
    json: () => ({
      active_bytes_per_token: active,
      weight_bytes: total,
      layers: [...counts].map(([{ il }, count]) => ({ layer: il, counts: count })),
    }),
  };
};

/** Of the embeddings a token reads one row, of the experts those it chose, of everything else all. */
const activeBytes = (stored: readonly StoredTensor[], layer: WatchedLayer | undefined): number => {
  const isTied = !stored.some(({ name }) => name === 'output.weight');
  return stored.reduce((sum, { name, shape, byteLength }) => {
    if (name === 'token_embd.weight' && !isTied) return sum + byteLength / (shape[0] ?? 1);
    return sum + (layer && /_exps\.weight$/.test(name) ? (byteLength * layer.nUsed) / layer.nExpert : byteLength);
  }, 0);
};

const layerLine = ({ il, nExpert }: WatchedLayer, count: readonly number[]): string => {
  const choices = count.reduce((a, b) => a + b, 0);
  const used = count.filter((n) => n > 0).length;
  const most = [...count.entries()]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 5)
    .filter(([, n]) => n > 0)
    .map(([expert, n]) => `${expert} (${((100 * n) / choices).toFixed(1)} %)`);
  return `  layer ${String(il).padStart(2)}: ${used} of ${nExpert} used; most ${most.join(', ')}`;
};

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
