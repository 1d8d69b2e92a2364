/** Low-rank adapters (LoRA, Hu et al. 2021) as llama.cpp stores them: `NAME.lora_a`, `NAME.lora_b` for a tensor NAME. */
import { UserError } from '../../errors.ts';
import type { StoredAdapter, StoredTensor } from '../../graph/weights.ts';
import type { GgufFile } from './reader.ts';

/**
 * The adapters of a file, by the tensors of the model that they add to.
 * @param arch the model's architecture
 * @param scale how much of them counts, beside the file's own alpha / rank
 * @throws UserError 'model' for a file that is no adapter, is for another architecture, or has half a pair
 */
export const readAdapters = (file: GgufFile, arch: string, scale: number): ReadonlyMap<string, StoredAdapter> => {
  const { path, metadata, tensors } = file;
  const text = (key: string): string => String(metadata.get(key) ?? 'missing');
  const wrong = (what: string, hint?: string) => new UserError('model', `'${path}' ${what}`, hint);
  if (text('general.type') !== 'adapter' || text('adapter.type') !== 'lora')
    throw wrong(`is no LoRA adapter: general.type is ${text('general.type')}`, 'a whole model is given with -m');
  if (text('general.architecture') !== arch)
    throw wrong(`is an adapter for '${text('general.architecture')}', the model is '${arch}'`);
  const alpha = metadata.get('adapter.lora.alpha') ?? 0;
  if (typeof alpha !== 'number') throw wrong('has an adapter.lora.alpha that is no number');

  const pairs = new Map<string, { a?: StoredTensor; b?: StoredTensor }>();
  for (const [name, tensor] of tensors) {
    const [, target, half] = /^(.+)\.lora_([ab])$/.exec(name) ?? [];
    if (target === undefined) throw wrong(`has the tensor '${name}', which is no half of an adapter`);
    pairs.set(target, { ...pairs.get(target), [half === 'a' ? 'a' : 'b']: tensor });
  }
  return new Map(
    [...pairs].map(([target, { a, b }]) => {
      if (!a || !b) throw wrong(`has no '${target}.lora_${a ? 'b' : 'a'}'`);
      const rank = b.shape.at(-1) ?? 1;
      // Without an alpha the product counts as it is.
      return [target, { from: path, down: a, up: b, scale: alpha === 0 ? scale : (scale * alpha) / rank }] as const;
    }),
  );
};
