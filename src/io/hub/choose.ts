/** Which files of a repository are the model that is meant. */
import { UserError } from '../../errors.ts';
import { PART_NAME, partPaths } from '../gguf/parts.ts';
import { type HubReference, nameOf, type Wanted } from './reference.ts';

/** How a model lies in a repository. */
export type ModelForm =
  | 'gguf'
  /** A file of whisper.cpp or vit.cpp. */
  | 'ggml'
  /** safetensors with JSON files beside them. */
  | 'folder';

export interface Chosen<F> {
  readonly form: ModelForm;
  /** All that is needed; for GGUF and ggml the first one is the file to open. */
  readonly files: readonly F[];
}

/** What most people want of a text model's sizes; then the first there is. */
const USUAL_QUANTS = ['Q4_K_M', 'Q8_0'];

/**
 * The files that a reference means.
 * @param forms what the reader of the model reads
 * @throws UserError 'network' where there are none, with what there is
 */
export const chooseFiles = <F extends { readonly path: string }>(
  all: readonly F[],
  reference: HubReference,
  forms: readonly ModelForm[],
): Chosen<F> => {
  const { wanted } = reference;
  const models = all.filter(({ path }) => isModelFile(path, forms));
  switch (wanted.kind) {
    case 'file': {
      const file = all.find(({ path }) => isMeant(path, wanted));
      if (!file) throw nothing(reference, `has no file '${wanted.path}'`, models);
      return { form: formOf(file.path), files: withParts(file, all) };
    }
    case 'quant': {
      const file = models.find(({ path }) => isMeant(path, wanted));
      if (!file) throw nothing(reference, `has no ${wanted.name}`, models);
      return { form: formOf(file.path), files: withParts(file, all) };
    }
    case 'any': {
      const usual = USUAL_QUANTS.map((quant) => models.find(({ path }) => hasQuant(path, quant)));
      const file = usual.find((found) => found !== undefined) ?? models[0];
      if (file) return { form: formOf(file.path), files: withParts(file, all) };
      const folder = forms.includes('folder') ? all.filter(({ path }) => isFolderFile(path)) : [];
      if (folder.some(({ path }) => path.endsWith('.safetensors'))) return { form: 'folder', files: folder };
      throw nothing(reference, `has no ${forms.includes('folder') ? 'model that grafo reads' : 'GGUF file'}`, all);
    }
  }
};

/** Whether a file, or the first of several, is one that is wanted. */
export const isMeant = (path: string, wanted: Wanted): boolean => {
  switch (wanted.kind) {
    case 'any':
      return true;
    case 'quant':
      return hasQuant(path, wanted.name);
    case 'file':
      return path === wanted.path;
  }
};

/** All models among the files of a repository. */
export const groupFiles = <F extends { readonly path: string }>(all: readonly F[]): readonly Chosen<F>[] => {
  const single = all
    .filter(({ path }) => isModelFile(path, ['gguf', 'ggml']))
    .map((file) => ({ form: formOf(file.path), files: all.filter((other) => isPartOf(other.path, file.path)) }));
  const folder = all.filter(({ path }) => isFolderFile(path));
  const isFolder = folder.some(({ path }) => path.endsWith('.safetensors'));
  return isFolder ? [...single, { form: 'folder', files: folder }] : single;
};

/** Whether a file is the one of this path, or another part of its model. */
const isPartOf = (path: string, first: string): boolean => {
  const [, prefix, , count] = PART_NAME.exec(first) ?? [];
  const [, otherPrefix, , otherCount] = PART_NAME.exec(path) ?? [];
  return path === first || (prefix !== undefined && prefix === otherPrefix && count === otherCount);
};

/** The quantisation that a file's name tells; undefined where it tells none. */
export const quantOf = (path: string): string | undefined => {
  const name = baseName(path)
    .replace(PART_NAME, '$1')
    .replace(/\.(gguf|bin)$/, '');
  return name
    .split(/[.-]/)
    .filter((word) => /^(i?q\d\w*|tq\d\w*|b?f16|f32|mxfp4\w*)$/i.test(word))
    .at(-1)
    ?.toUpperCase();
};

const formOf = (path: string): ModelForm => (path.endsWith('.gguf') ? 'gguf' : 'ggml');

/** A model, or its first part; projectors for images and statistics of quantising are none. */
const isModelFile = (path: string, forms: readonly ModelForm[]): boolean => {
  const name = baseName(path);
  if (/^ggml-.*\.bin$/.test(name)) return forms.includes('ggml') && !/encoder|decoder/.test(name);
  if (!name.endsWith('.gguf') || /mmproj|imatrix/i.test(name)) return false;
  return forms.includes('gguf') && (PART_NAME.exec(name)?.[2] ?? '00001') === '00001';
};

/** At the top of a repository, what transformers and timm write there. */
const isFolderFile = (path: string): boolean => /^[^/]+\.json$|^model(-\d{5}-of-\d{5})?\.safetensors$/.test(path);

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Whether a name holds the quantisation's as a word of its own: `model-Q4_K_M.gguf`, not `model-IQ4_K_M.gguf`. */
const hasQuant = (path: string, quant: string): boolean =>
  `/${path.toLowerCase()}`.split(/[/.-]/).includes(quant.toLowerCase());

/** The file, or all parts of the model that it is one of, in order. */
const withParts = <F extends { readonly path: string }>(file: F, all: readonly F[]): readonly F[] => {
  const [, , , count] = PART_NAME.exec(file.path) ?? [];
  if (count === undefined) return [file];
  return partPaths(file.path, Number(count)).map((path) => {
    const part = all.find((other) => other.path === path);
    if (!part)
      throw new UserError('network', `'${path}' is missing beside '${file.path}'`, 'the repository is incomplete');
    return part;
  });
};

const MOST_NAMES = 8;

const nothing = (reference: HubReference, what: string, there: readonly { readonly path: string }[]): UserError => {
  const names = there.map(({ path }) => baseName(path));
  const shown = names.slice(0, MOST_NAMES).join(', ') + (names.length > MOST_NAMES ? ', ...' : '');
  const { repo } = reference;
  return new UserError(
    'network',
    `${repo} ${what}`,
    shown === '' ? `asked for was ${nameOf(reference)}` : `it has ${shown}`,
  );
};
