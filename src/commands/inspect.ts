/** `grafo inspect`: what a model's file says of itself, and what it would take to run it; its header alone is read. */
import { UserError } from '../errors.ts';
import { aligned } from '../graph/print/cost.ts';
import { elements } from '../graph/tensor.ts';
import type { MetadataValue, WeightSource } from '../graph/weights.ts';
import { bytesText } from '../io/hub/bytes.ts';
import { anyModel, type Family } from '../models/index.ts';
import { command, optionGroup } from './command.ts';
import { archOf } from './family.ts';
import type { MemoryPlan } from './memory.ts';
import { memoryJson, memoryText } from './memory.ts';
import type { NamedModel } from './model-source.ts';
import { openHeader } from './model-source.ts';
import { deviceOptions, hubOptions, physicalCores, reportOptions } from './options.ts';
import { plainPlacement } from './placement.ts';
import { noticeUnless, write } from './terminal.ts';
import { asStored, textMemory } from './text/open.ts';
import { imageMemory } from './vit/model.ts';
import { speechMemory } from './whisper/open.ts';

const { device, compute } = deviceOptions;
const { json, quiet } = reportOptions;

const options = {
  ...hubOptions,
  ...optionGroup('Memory', {
    'ctx-size': {
      alias: 'c',
      type: 'number',
      whole: true,
      least: 0,
      default: 0,
      describe: 'of the context; 0: as a run has it',
    },
    device,
    compute,
  }),
  ...optionGroup('Report', {
    tensors: { type: 'boolean', default: false, describe: 'every tensor, not only how many of each type' },
    full: { type: 'boolean', default: false, describe: 'long values of metadata to their end' },
    json,
    quiet,
  }),
} as const;

interface InspectFlags {
  readonly 'ctx-size': number;
  readonly device: MemoryWish['wish'];
  readonly compute: MemoryWish['compute'];
}

type MemoryWish = Parameters<typeof imageMemory>[2];

/** `grafo inspect`. */
export const inspectCommand = command({
  options,
  operands: 'MODEL',
  examples: [
    ['grafo inspect model.gguf', 'metadata, tensors by type, memory'],
    ['grafo inspect hf:user/repo:Q8_0 -c 8192', 'whether a model would fit, before its download'],
    ['grafo inspect model.gguf --tensors', 'every tensor with type, shape and size'],
    ['grafo inspect base.en --json', 'for programs'],
  ],
  async run(flags, [model, ...more]) {
    if (model === undefined) throw new UserError('usage', 'no model', 'grafo inspect model.gguf, or hf:user/repo');
    if (more[0] !== undefined) throw new UserError('usage', `'${more[0]}': one model at a time`);
    const file = await openHeader({ ...flags, model }, 'any', noticeUnless(flags.quiet));
    try {
      const { family } = anyModel(archOf(file.metadata));
      const plan = await memoryFor(file, family, flags);
      await write(flags.json ? `${JSON.stringify(asJson(file, plan))}\n` : asText(file, plan, flags));
      return 0;
    } finally {
      await file.close();
    }
  },
});

/** What it takes of memory as its command would run it by itself. */
const memoryFor = (file: NamedModel, family: Family, flags: InspectFlags): Promise<MemoryPlan> => {
  const place = {
    ...plainPlacement(physicalCores()),
    wish: flags.device,
    compute: flags.compute,
    cache: false,
  };
  switch (family) {
    case 'vit':
      return imageMemory(file, file.name, { ...place, batchSize: 1, looks: false });
    case 'whisper':
      return speechMemory(file, file.name, { ...place, audioCtx: 0, nSequence: 5 });
    case 'llama':
    case 'deepseek':
      return textMemory(file, file.name, {
        ...place,
        ...asStored,
        family,
        nCtx: flags['ctx-size'],
      });
  }
};

const totals = ({ tensors }: WeightSource) => {
  const all = [...tensors.values()];
  return {
    nParameter: all.reduce((sum, tensor) => sum + elements(tensor.shape), 0),
    byteLength: all.reduce((sum, tensor) => sum + tensor.byteLength, 0),
  };
};

const asText = (
  file: NamedModel,
  plan: MemoryPlan,
  { tensors, full }: { readonly tensors: boolean; readonly full: boolean },
): string => {
  const { nParameter, byteLength } = totals(file);
  const count = nParameter.toLocaleString('en-US');
  const bits = ((8 * byteLength) / nParameter).toFixed(2);
  const metadata = [...file.metadata].map(([key, value]) => [key, shortValue(value, full)]);
  return [
    `${file.name}: ${archOf(file.metadata)}, ${count} parameters in ${bytesText(byteLength)}, ${bits} bits each\n`,
    `\n${file.metadata.size} keys\n${aligned(metadata)}`,
    `\n${file.tensors.size} tensors\n${aligned(tensors ? tensorRows(file) : typeRows(file))}`,
    `\n${memoryText(plan)}`,
  ].join('');
};

const tensorRows = ({ tensors }: WeightSource): readonly (readonly string[])[] =>
  [...tensors.values()].map(({ name, type, shape, byteLength }) => [
    name,
    type,
    `[${shape.join(', ')}]`,
    bytesText(byteLength),
  ]);

/** How many tensors there are of each type, those with the most bytes first. */
const typeRows = ({ tensors }: WeightSource): readonly (readonly string[])[] => {
  const byType = new Map<string, { n: number; bytes: number }>();
  for (const { type, byteLength } of tensors.values()) {
    const { n, bytes } = byType.get(type) ?? { n: 0, bytes: 0 };
    byType.set(type, { n: n + 1, bytes: bytes + byteLength });
  }
  return [...byType]
    .sort(([, a], [, b]) => b.bytes - a.bytes)
    .map(([type, { n, bytes }]) => [type, '', `${n} tensors`, bytesText(bytes)]);
};

/** What fits on a line beside a key. */
const LONG = 36;

/** A value on one line; of a long list its length and its beginning. */
const shortValue = (value: MetadataValue, full: boolean): string => {
  const text = JSON.stringify(value, plainNumber);
  if (full || text.length <= LONG) return text;
  const start = `${text.slice(0, LONG)}...`;
  return Array.isArray(value) ? `${value.length} values ${start}` : start;
};

/** JSON has no integers of 64 bits. */
const plainNumber = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

const asJson = (file: NamedModel, plan: MemoryPlan) => {
  const { nParameter, byteLength } = totals(file);
  const metadata = JSON.parse(JSON.stringify(Object.fromEntries(file.metadata), plainNumber)) as unknown;
  return {
    model: file.name,
    architecture: archOf(file.metadata),
    parameters: nParameter,
    bytes: byteLength,
    metadata,
    tensors: [...file.tensors.values()].map(({ name, type, shape, byteLength }) => ({
      name,
      type,
      shape,
      bytes: byteLength,
    })),
    memory: memoryJson(plan),
  };
};
