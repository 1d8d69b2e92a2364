/** What is measured: a model's file, or a shape with random weights. */
import { basename } from 'node:path';
import { elements } from '../../graph/tensor.ts';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';
import { mixtures } from '../../io/gguf/mixture.ts';
import { openModelFile } from '../../io/model-file.ts';
import type { Family } from '../../models/index.ts';
import { anyModel } from '../../models/index.ts';
import { archOf } from '../family.ts';
import { type ModelWish, modelPath } from '../model-source.ts';
import { shapedModel } from './shape.ts';

/** What a command line names: a file, or a shape. */
export type ModelName = { readonly kind: 'file' | 'shape'; readonly name: string };

/** How models come that are not here yet. */
export interface HubWish extends Omit<ModelWish, 'model'> {
  /** One line for a person. */
  notice(line: string): void;
}

export interface BenchModel {
  /** The file's name without its folders, or the shape as it was asked for. */
  readonly name: string;
  readonly origin: ModelName;
  readonly family: Family;
  readonly source: WeightSource;
  /** As llama-bench calls it: 'llama 1B Q4_0'. */
  readonly type: string;
  /** Of the weights as they are stored. */
  readonly byteLength: number;
  readonly nParameter: number;
  close(): Promise<void>;
}

/**
 * Opens what is named; its weights are read or made when it is loaded.
 * @throws UserError 'file', 'model', 'network' or 'usage'
 */
export const openBenchModel = async (origin: ModelName, hub: HubWish): Promise<BenchModel> => {
  if (origin.kind === 'shape') {
    const { source, type } = shapedModel(origin.name);
    return { ...described(source, type), name: origin.name, origin, close: async () => undefined };
  }
  const path = await modelPath({ ...hub, model: origin.name }, 'any', hub.notice);
  const file = await openModelFile(path);
  return {
    ...described(file, storedType(file)),
    name: basename(path),
    origin: { kind: 'file', name: path },
    close: () => file.close(),
  };
};

const described = (source: WeightSource, type: string) => {
  const arch = archOf(source.metadata);
  const stored = [...source.tensors.values()];
  const nParameter = stored.reduce((n, { shape }) => n + elements(shape), 0);
  return {
    family: anyModel(arch).family,
    source,
    type: `${arch} ${sizeLabel(nParameter)} ${typeLabel(type)}`,
    byteLength: stored.reduce((n, { byteLength }) => n + byteLength, 0),
    nParameter,
  };
};

/** `general.file_type` where it is one that grafo knows, else the type of most weights of matrices. */
const storedType = ({ metadata, tensors }: WeightSource): string => {
  const fileType: MetadataValue | undefined = metadata.get('general.file_type');
  const mixture = mixtures.find((m) => m.fileType === Number(fileType ?? Number.NaN));
  if (mixture) return mixture.name;
  const sizes = new Map<string, number>();
  for (const { name, type, shape } of tensors.values())
    if (shape.length > 1 && name.endsWith('weight')) sizes.set(type, (sizes.get(type) ?? 0) + elements(shape));
  const [[most] = ['?']] = [...sizes].sort(([, a], [, b]) => b - a);
  return most.toUpperCase();
};

/** 'Q4_K_M' -> 'Q4_K - Medium', 'F32' -> 'all F32': llama.cpp's words. */
const typeLabel = (type: string): string => {
  const [, base, size] = /^(Q\d_K)_([SM])$/.exec(type) ?? [];
  if (base !== undefined) return `${base} - ${size === 'S' ? 'Small' : 'Medium'}`;
  return type === 'F32' ? 'all F32' : type;
};

/** '7B', '0.5B', '86M'. */
const sizeLabel = (n: number): string => {
  if (n >= 0.95e9) return `${Math.round(n / 1e9)}B`;
  if (n >= 1e6) return `${Math.round(n / 1e6)}M`;
  return `${Math.max(1, Math.round(n / 1e3))}K`;
};
