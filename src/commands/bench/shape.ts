/** Models without a file: published shapes with random weights, so that anybody can measure a machine in a minute. */
import { UserError } from '../../errors.ts';
import type { StoredTensor, WeightSource } from '../../graph/weights.ts';
import { findMixture, typesOf } from '../../io/gguf/mixture.ts';
import { inventModel } from '../../io/invented.ts';
import { randomTensor, randomTypes } from '../../io/random.ts';
import { anyModel } from '../../models/index.ts';
import { archOf } from '../family.ts';

/** What `--shape` says: `llama-2-7b:q4_0`, `deepseek-v2-lite:q4_k_m@4layers`. */
interface ShapeName {
  readonly name: string;
  readonly type: string;
  readonly nLayer?: number;
}

const parseShape = (text: string): ShapeName => {
  const [, name, type = 'f16', nLayer] = /^([^:@]+)(?::([^:@]+))?(?:@([1-9]\d*)(?:layers?)?)?$/.exec(text) ?? [];
  if (name === undefined)
    throw new UserError(
      'usage',
      `--shape '${text}' is no shape`,
      'like tinyllama-1.1b:q4_0 or llama-2-7b:q4_k_m@4layers',
    );
  return { name, type, ...(nLayer !== undefined && { nLayer: Number(nLayer) }) };
};

export interface ShapedModel {
  readonly source: WeightSource;
  /** As `general.file_type` would say it: 'Q4_K_M'. */
  readonly type: string;
}

/**
 * The model of a shape's name with random weights in the types of a mixture, as a file of it would have them.
 * @throws UserError 'usage' for a name or a type that is not known
 */
export const shapedModel = (text: string): ShapedModel => {
  const { name, type, nLayer } = parseShape(text);
  const mixture = findMixture(type);
  if (!mixture)
    throw new UserError(
      'usage',
      `--shape '${text}': there is no type '${type}'`,
      'types are f16, q8_0, q4_0, q4_k_m, ...',
    );
  const tensors = tensorsOf(name, nLayer);
  const types = typesOf(tensors, mixture, { isPure: false, nExpert: nExpertOf(name) });
  const typed = tensors.map(({ name, shape, type }) => ({ name, shape, type: types.get(name) ?? type }));
  const lacking = typed.find(({ type }) => !randomTypes.has(type));
  if (lacking)
    throw new UserError(
      'usage',
      `--shape '${text}': no random weights of ${lacking.type}`,
      `there are ${[...randomTypes].join(', ')}`,
    );
  return {
    source: { metadata: outline(name, nLayer).metadata, tensors: new Map(typed.map((t) => [t.name, randomTensor(t)])) },
    type: mixture.name,
  };
};

const outline = (name: string, nLayer: number | undefined): WeightSource => {
  const whole = inventModel(name, undefined, 'f16');
  if (nLayer === undefined) return whole;
  const keys = [...whole.metadata.keys()].filter((key) => key.endsWith('.block_count'));
  const shorter = keys.map((key) => `${key.slice(key.indexOf('.') + 1)}=${nLayer}`);
  return inventModel(name, [name, ...shorter].join(','), 'f16');
};

const nExpertOf = (name: string): number => {
  const { metadata } = outline(name, undefined);
  return Number(metadata.get(`${archOf(metadata)}.expert_count`) ?? 0);
};

/** The tensors that the architecture asks for, in the order of its page. */
const tensorsOf = (name: string, nLayer: number | undefined): readonly StoredTensor[] => {
  const source = outline(name, nLayer);
  const { invented } = source;
  const asked = new Map(source.tensors);
  const make = (tensor: string, shape: readonly number[]): StoredTensor => {
    const made = source.invented?.make(tensor, shape);
    if (!made) throw new Error(`'${name}' makes no tensors up`);
    asked.set(tensor, made);
    return made;
  };
  anyModel(archOf(source.metadata)).open({ ...source, ...(invented && { invented: { has: invented.has, make } }) });
  return [...asked.values()];
};
