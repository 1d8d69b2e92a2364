/** `--override-kv`: metadata said on the command line instead of in the file. */
import { UserError } from '../../errors.ts';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';

/** Reads `KEY=TYPE:VALUE`, or several with commas between them; a text may have commas where no key follows. */
export const parseOverrides = (text: string): ReadonlyMap<string, MetadataValue> =>
  new Map(text.split(/,(?=[\w.]+=(?:int|float|bool|str):)/).map(parseOverride));

const parseOverride = (text: string): readonly [string, MetadataValue] => {
  const [, key, type, value = ''] = /^([\w.-]+)=(int|float|bool|str):(.*)$/s.exec(text) ?? [];
  const read = key === undefined ? undefined : readValue(type, value);
  if (key === undefined || read === undefined)
    throw new UserError(
      'usage',
      `--override-kv '${text}' is not KEY=TYPE:VALUE`,
      'TYPE is int, float, bool or str: deepseek2.expert_used_count=int:4',
    );
  return [key, read];
};

const readValue = (type: string | undefined, text: string): MetadataValue | undefined => {
  switch (type) {
    case 'int':
      return /^-?\d+$/.test(text) ? Number(text) : undefined;
    case 'float':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
    case 'bool':
      return text === 'true' || text === 'false' ? text === 'true' : undefined;
    default:
      return text;
  }
};

/**
 * The file with these values in its metadata.
 * @throws UserError 'usage' where the file has another kind of value under a key
 */
export const overridden = <F extends WeightSource>(
  file: F,
  values: ReadonlyMap<string, MetadataValue>,
): WeightSource => {
  for (const [key, value] of values) {
    const own = file.metadata.get(key);
    if (own !== undefined && kindOf(own) !== kindOf(value))
      throw new UserError('usage', `--override-kv: '${key}' is a ${kindOf(own)} in the file, not a ${kindOf(value)}`);
  }
  return { ...file, metadata: new Map([...file.metadata, ...values]) };
};

const kindOf = (value: MetadataValue): string => {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'number' || typeof value === 'bigint') return 'number';
  return typeof value === 'boolean' ? 'bool' : 'text';
};
