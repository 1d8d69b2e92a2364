/** Which command runs the model of a file. */
import { UserError } from '../errors.ts';
import type { MetadataValue } from '../graph/weights.ts';
import type { Family } from '../models/index.ts';
import { anyModel, familiesOf } from '../models/index.ts';

type Metadata = ReadonlyMap<string, MetadataValue>;

/** The architecture that a header names. Throws a UserError 'model' where it names none. */
export const archOf = (metadata: Metadata): string => {
  const arch = metadata.get('general.architecture');
  if (typeof arch !== 'string') throw new UserError('model', "metadata 'general.architecture' is missing");
  return arch;
};

/** Throws a UserError 'model' that names the command for this file where it is not the one that was typed. */
export const expectFamily = (metadata: Metadata, path: string, family: Family): void => {
  const arch = archOf(metadata);
  const { family: own } = anyModel(arch);
  const families: readonly Family[] = own === 'vit' || own === 'whisper' ? [own] : familiesOf(metadata, arch);
  if (families.includes(family)) return;
  throw new UserError(
    'model',
    `'${path}' has architecture '${arch}', which grafo ${own} runs`,
    `grafo ${own} -m ${path}`,
  );
};
