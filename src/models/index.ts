/** The architectures that write text, by the name in a file's header. */
import { UserError } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { MetadataValue, Weights } from '../graph/weights.ts';
import { deepseek } from './deepseek.ts';
import { deepseek2 } from './deepseek2.ts';
import type { ModelDefinition } from './definition.ts';
import { llama, qwen2, qwen3 } from './llama.ts';

/** The commands that write text, each with the models of its name. */
export type TextFamily = 'llama' | 'deepseek';

/** What every text model's hyperparameters tell. */
interface TextHparams {
  readonly nVocab: number;
  readonly nCtxTrain: number;
}

/** A definition met with a file's header and its tensors. */
interface OpenedTextModel {
  readonly h: TextHparams;
  readonly graphs: Readonly<Record<string, (g: GraphBuilder) => void>>;
}

interface TextModel {
  readonly arch: string;
  readonly family: TextFamily;
  /** The names of its graphs. */
  readonly graphs: readonly string[];
  open(meta: Hparams, w: Weights): OpenedTextModel;
}

/** From outside all text models look the same; their own hyperparameters and weights stay theirs. */
const textModelOf = <H extends TextHparams, W>(family: TextFamily, definition: ModelDefinition<H, W>): TextModel => ({
  arch: definition.arch,
  family,
  graphs: Object.keys(definition.graphs),
  open(meta, cursor) {
    const h = definition.hparams(meta);
    const w = definition.weights(cursor, h);
    const graphs = Object.entries(definition.graphs).map(([name, build]) => [
      name,
      (g: GraphBuilder) => build(g, { h, w }),
    ]);
    return { h, graphs: Object.fromEntries(graphs) };
  },
});

const textModels: readonly TextModel[] = [
  textModelOf('llama', llama),
  textModelOf('llama', qwen2),
  textModelOf('llama', qwen3),
  textModelOf('deepseek', deepseek),
  textModelOf('deepseek', deepseek2),
];

/** The model of an architecture. Throws a UserError that names what is supported. */
export const textModel = (arch: string): TextModel => {
  const model = textModels.find((m) => m.arch === arch);
  if (model) return model;
  const known = textModels.map((m) => m.arch).join(', ');
  throw new UserError('model', `architecture '${arch}' is not supported`, `grafo runs ${known}`);
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
