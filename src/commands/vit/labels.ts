/** What classes are called: by a file of the user's, by the model's own list, else by number. */
import { UserError } from '../../errors.ts';
import type { MetadataValue } from '../../graph/weights.ts';
import { isObject } from '../../io/json.ts';
import { readText } from '../../io/plain-file.ts';

/** A label for each of `nClass` classes. */
export const labelsFor = async (
  path: string | undefined,
  metadata: ReadonlyMap<string, MetadataValue>,
  nClass: number,
): Promise<readonly string[]> => {
  const own = metadata.get('vit.classifier.output_labels');
  const named = path === undefined ? (Array.isArray(own) ? own.map(String) : []) : await readLabels(path);
  if (path !== undefined && named.length !== nClass)
    throw new UserError('usage', `'${path}' names ${named.length} classes, the model has ${nClass}`);
  return Array.from({ length: nClass }, (_, i) => named[i] ?? `LABEL_${i}`);
};

const readLabels = async (path: string): Promise<readonly string[]> => {
  const text = await readText(path);
  return /^\s*[[{]/.test(text)
    ? labelsOfJson(path, text)
    : text
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== '');
};

/** A list, an object by class number, or a config.json with `id2label`. */
const labelsOfJson = (path: string, text: string): readonly string[] => {
  const wrong = () => new UserError('usage', `'${path}' is no list of labels: expected a JSON list or {"0": "..."}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong();
  }
  const inner = isObject(value) && isObject(value.id2label) ? value.id2label : value;
  if (Array.isArray(inner)) return inner.map(String);
  if (!isObject(inner) || !Object.keys(inner).every((key) => /^\d+$/.test(key))) throw wrong();
  const labels: string[] = [];
  for (const [id, label] of Object.entries(inner)) labels[Number(id)] = String(label);
  return Array.from(labels, (label, i) => label ?? `LABEL_${i}`);
};
