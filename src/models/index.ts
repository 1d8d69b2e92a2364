/** All architectures, by the name in a file's header. */
import { UserError } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { MetadataValue, WeightSource } from '../graph/weights.ts';
import { deepseek } from './deepseek.ts';
import { deepseek2 } from './deepseek2.ts';
import { deepseek2Next } from './deepseek2-next.ts';
import type { ModelDefinition } from './definition.ts';
import { readModel } from './definition.ts';
import { llama, qwen2, qwen3 } from './llama.ts';
import { vit } from './vit.ts';
import { whisper } from './whisper.ts';

/** The commands that write text, each with the models of its name. */
export type TextFamily = 'llama' | 'deepseek';

/** The commands that run models. */
export type Family = TextFamily | 'vit' | 'whisper';

/** What every text model's hyperparameters tell. */
interface TextHparams {
  readonly nLayer: number;
  readonly nEmbd: number;
  readonly nVocab: number;
  readonly nCtxTrain: number;
}

/** A definition met with a file's header and its tensors. */
interface OpenedModel<H> {
  readonly h: H;
  readonly graphs: Readonly<Record<string, (g: GraphBuilder) => void>>;
}

interface Model<H, F> {
  readonly arch: string;
  readonly family: F;
  /** The names of its graphs. */
  readonly graphs: readonly string[];
  /** From the header alone. Throws a UserError 'model' where the source does not fit. */
  open(source: WeightSource): OpenedModel<H>;
  /** Opens the layer that predicts a further token, which only some of its files have. */
  readonly openNext?: (source: WeightSource) => OpenedModel<H>;
}

const opener =
  <H, W>(definition: ModelDefinition<H, W>, share: 'all' | 'part') =>
  (source: WeightSource): OpenedModel<H> => {
    const m = readModel(definition, source, share);
    const graphs = Object.entries(definition.graphs).map(([name, build]) => [name, (g: GraphBuilder) => build(g, m)]);
    return { h: m.h, graphs: Object.fromEntries(graphs) };
  };

/** From outside all models look the same; their own hyperparameters and weights stay theirs. */
const modelOf = <H, W, F>(family: F, definition: ModelDefinition<H, W>): Model<H, F> => ({
  arch: definition.arch,
  family,
  graphs: Object.keys(definition.graphs),
  open: opener(definition, 'all'),
});

const textModels: readonly Model<TextHparams, TextFamily>[] = [
  modelOf('llama', llama),
  modelOf('llama', qwen2),
  modelOf('llama', qwen3),
  modelOf('deepseek', deepseek),
  { ...modelOf('deepseek' as const, deepseek2), openNext: opener(deepseek2Next, 'part') },
];

const allModels: readonly Model<unknown, Family>[] = [...textModels, modelOf('vit', vit), modelOf('whisper', whisper)];

/** The model of an architecture, whatever it is for. Throws a UserError that names what is supported. */
export const anyModel = (arch: string): Model<unknown, Family> => modelNamed(arch, allModels, 'knows');

/** The model of an architecture that writes text. Throws a UserError that names what is supported. */
export const textModel = (arch: string): Model<TextHparams, TextFamily> => modelNamed(arch, textModels, 'runs');

const modelNamed = <M extends { readonly arch: string }>(arch: string, models: readonly M[], verb: string): M => {
  const model = models.find((m) => m.arch === arch);
  if (model) return model;
  const known = models.map((m) => m.arch).join(', ');
  throw new UserError('model', `architecture '${arch}' is not supported`, `grafo ${verb} ${known}`);
};

/**
 * The commands that a file's model is known by. What DeepSeek distilled into others' architectures, or built like
 * LLaMA (LLM, Coder), goes by both names.
 */
export const familiesOf = (metadata: ReadonlyMap<string, MetadataValue>, arch: string): readonly TextFamily[] => {
  const { family } = textModel(arch);
  return family === 'llama' && isDeepseek(metadata) ? ['llama', 'deepseek'] : [family];
};

/** By what converters write of a model's origin, its vocabulary, or the turns of its chat. */
const isDeepseek = (metadata: ReadonlyMap<string, MetadataValue>): boolean => {
  const says = (key: string, pattern: RegExp): boolean => {
    const value = metadata.get(key);
    return typeof value === 'string' && pattern.test(value);
  };
  const names = [...metadata.keys()].filter((key) =>
    /^general\.(name|basename|finetune|source\.|base_model\.)/.test(key),
  );
  return (
    names.some((key) => says(key, /deepseek/i)) ||
    says('tokenizer.ggml.pre', /^deepseek/) ||
    says('tokenizer.chat_template', /<｜Assistant｜>/)
  );
};
