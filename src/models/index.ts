/** The architectures that `grafo llama` runs, by the name in a file's header. */
import { UserError } from '../errors.ts';
import { llama, qwen2, qwen3 } from './llama.ts';

export type TextModel = typeof llama | typeof qwen2 | typeof qwen3;

export const textModels: readonly TextModel[] = [llama, qwen2, qwen3];

/** The definition of an architecture. Throws a UserError that names what is supported. */
export const textModel = (arch: string): TextModel => {
  const model = textModels.find((m) => m.arch === arch);
  if (model) return model;
  const known = textModels.map((m) => m.arch).join(', ');
  throw new UserError('model', `architecture '${arch}' is not supported`, `grafo llama runs ${known}`);
};
