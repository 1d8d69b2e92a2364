/** The architectures that write text, by the name in a file's header. */
import { UserError } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { Weights } from '../graph/weights.ts';
import { deepseek } from './deepseek.ts';
import { deepseek2 } from './deepseek2.ts';
import type { ModelDefinition } from './definition.ts';
import { llama, qwen2, qwen3 } from './llama.ts';

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

export interface TextModel {
  readonly arch: string;
  open(meta: Hparams, w: Weights): OpenedTextModel;
}

/** From outside all text models look the same; their own hyperparameters and weights stay theirs. */
const textModelOf = <H extends TextHparams, W>(definition: ModelDefinition<H, W>): TextModel => ({
  arch: definition.arch,
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
  textModelOf(llama),
  textModelOf(qwen2),
  textModelOf(qwen3),
  textModelOf(deepseek),
  textModelOf(deepseek2),
];

/** The definition of an architecture. Throws a UserError that names what is supported. */
export const textModel = (arch: string): TextModel => {
  const model = textModels.find((m) => m.arch === arch);
  if (model) return model;
  const known = textModels.map((m) => m.arch).join(', ');
  throw new UserError('model', `architecture '${arch}' is not supported`, `grafo runs ${known}`);
};
