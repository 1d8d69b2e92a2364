/** Folders as Hugging Face's libraries write them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { isObject, readJsonObject } from '../json.ts';

/** The files with a folder's weights: one, or those that an index names. */
export const weightFiles = async (folder: string): Promise<readonly string[]> => {
  const whole = join(folder, 'model.safetensors');
  if (existsSync(whole)) return [whole];
  const index = join(folder, 'model.safetensors.index.json');
  if (!existsSync(index)) throw new UserError('model', `'${folder}' has no model.safetensors`);
  const { weight_map: places } = await readJsonObject(index);
  if (!isObject(places)) throw new UserError('model', `'${index}' has no weight_map`);
  const names = [...new Set(Object.values(places).map(String))].sort();
  // A name with folders in it would lead out of the model's own.
  const foreign = names.find((name) => /[/\\]/.test(name));
  if (foreign !== undefined) throw new UserError('model', `'${index}' names '${foreign}', which is no file beside it`);
  return names.map((name) => join(folder, name));
};
