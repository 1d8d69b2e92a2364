/** `--cost` and `--memory`: what a part's graph would take, as tables or JSON. */

import { measureMachine } from '../../graph/device/measure.ts';
import type { Machine } from '../../graph/print/cost.ts';
import { costRows, costTotal, printCost, quantity } from '../../graph/print/cost.ts';
import { folded, repeatsCollapsed } from '../../graph/print/filter.ts';
import { memoryOf } from '../../graph/print/liveness.ts';
import { printMemory } from '../../graph/print/memory.ts';
import { viewOf } from '../../graph/print/view.ts';
import type { WeightSource } from '../../graph/weights.ts';
import { findDevice } from '../devices.ts';
import { cacheFolder, physicalCores } from '../options.ts';
import { onProcessor } from '../placement.ts';
import type { ChosenGraph } from './model.ts';
import { chooseGraph } from './model.ts';
import type { GraphFlags } from './options.ts';

/** What a prompt has where nobody says it, and how much stands before the token that comes after it. */
const PROMPT = 512;

/** The parts to be measured: what is asked for, or a prompt and a token after it where the model writes text. */
export const measuredParts = (source: WeightSource, flags: GraphFlags): readonly ChosenGraph[] => {
  const { tokens, past, seqs = 1 } = flags;
  const [nPrompt, nPast] = [tokens ?? PROMPT, past ?? tokens ?? PROMPT];
  const { part } = chooseGraph(source, flags);
  const prefill = { ...flags, seqs, part: 'prefill', tokens: nPrompt, past: past ?? 0 };
  const decode = { ...flags, seqs, part: 'decode', tokens: 1, past: nPast };
  if (flags.part === undefined && part === 'decoder')
    return [chooseGraph(source, prefill), chooseGraph(source, decode)];
  const isDecode = part === 'decode';
  return [chooseGraph(source, isDecode ? decode : { ...prefill, part })];
};

/** `llama decode: B 1, T 1, nKv 512`, with the dimensions that inputs and caches have. */
const titleOf = ({ arch, part, graph, sizes }: ChosenGraph): string => {
  const dims = graph.nodes.flatMap(({ shape }) => shape.filter((dim) => typeof dim === 'string'));
  const known = [...new Set(dims)].sort().flatMap((dim) => (dim in sizes ? [`${dim} ${sizes[dim]}`] : []));
  return `${arch} ${part}: ${known.join(', ')}`;
};

const reports = {
  cost: {
    text(chosen: ChosenGraph, depth: number, machine?: Machine): string {
      const view = repeatsCollapsed(folded(viewOf(chosen.graph, chosen.sizes), depth));
      return printCost(view, titleOf(chosen), machine);
    },
    json({ arch, part, graph, sizes }: ChosenGraph, depth: number): unknown {
      const rows = costRows(folded(viewOf(graph, sizes), depth));
      return { arch, part, sizes, rows, total: costTotal(rows) };
    },
  },
  memory: {
    text: (chosen: ChosenGraph): string => printMemory(memoryOf(chosen.graph, chosen.sizes), titleOf(chosen)),
    json({ arch, part, graph, sizes }: ChosenGraph): unknown {
      const { weightBytes, cacheBytes, peak, steps } = memoryOf(graph, sizes);
      return {
        arch,
        part,
        sizes,
        weight_bytes: weightBytes,
        cache_bytes: cacheBytes,
        peak_bytes: peak.liveBytes,
        peak_at: peak.node.name,
        steps: steps.map(({ node, liveBytes }) => ({ name: node.name, live_bytes: liveBytes })),
      };
    },
  },
} as const;

/** The report of all parts, as text or as one JSON list. */
export const measured = async (source: WeightSource, what: 'cost' | 'memory', flags: GraphFlags): Promise<string> => {
  const parts = measuredParts(source, flags);
  const depth = flags.depth ?? MODULES;
  const machine = what === 'cost' && flags.bound ? await measureProcessor(flags) : undefined;
  if (flags.format === 'json') {
    const values = parts.map((part) => reports[what].json(part, depth));
    return `${JSON.stringify(machine ? { machine, parts: values } : values, undefined, 1)}\n`;
  }
  const texts = parts.map((part) => reports[what].text(part, depth, machine));
  return [...(machine ? [machineLine(machine)] : []), ...texts].join('\n');
};

const measureProcessor = async (flags: GraphFlags): Promise<Machine> => {
  const { device } = await findDevice(onProcessor, 0);
  return measureMachine(device, { threads: flags.threads ?? physicalCores(), cacheFolder: cacheFolder() });
};

const machineLine = ({ flopsPerSecond, bytesPerSecond }: Machine): string =>
  `this processor: ${quantity(flopsPerSecond)}FLOP/s in float32, ${quantity(bytesPerSecond)}B/s\n`;

const MODULES = 2;
