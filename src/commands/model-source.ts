/**
 * Which model a command runs, as a path of this machine: a file or folder that the user names, a model of the hub, one of
 * whisper.cpp's short names, or the demo of the command's kind that comes with grafo.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.ts';
import type { ModelForm } from '../io/hub/choose.ts';
import type { Watcher } from '../io/hub/model.ts';
import { checkedPath, type HubReference, isHubReference, parseHubReference } from '../io/hub/reference.ts';
import { type HubSettings, hubSettings } from '../io/hub/settings.ts';
import { speechModelNamed, speechNames, voiceDetectorNamed } from '../io/hub/short-names.ts';
import { type ModelFile, openModelFile, openSingleFile } from '../io/model-file.ts';
import type { Family } from '../models/index.ts';
import { downloadProgress } from './download-progress.ts';
import { nearest } from './nearest.ts';

/** The flags that name a model. */
export interface ModelWish {
  readonly model?: string | undefined;
  readonly 'hf-repo'?: string | undefined;
  readonly 'hf-file'?: string | undefined;
  readonly 'hf-token'?: string | undefined;
  readonly offline?: boolean;
  readonly quiet?: boolean;
}

/** What a command does with a model; 'any' reads all of them. */
export type ModelKind = Family | 'any';

/** Where the demos are: small models of grafo's own, one for each command, each called like it. */
const demoFolder = fileURLToPath(new URL('../../demo/', import.meta.url));

/** How a real model of each kind is called. */
const realOnes: Readonly<Record<ModelKind, string>> = {
  llama: '-m model.gguf, or -hf USER/REPO',
  deepseek: '-m model.gguf, or -hf USER/REPO',
  vit: '-m vit.gguf, or -hf google/vit-base-patch16-224',
  whisper: '-m ggml-base.bin, or -m base to download it',
  any: '-m model.gguf, or -hf USER/REPO',
};

const everyForm: readonly ModelForm[] = ['gguf', 'ggml', 'folder'];

/** What the reader of each kind reads. */
const formsOf = (kind: ModelKind): readonly ModelForm[] =>
  kind === 'llama' || kind === 'deepseek' ? ['gguf'] : everyForm;

/**
 * The path of the model that the flags mean; what is not here yet is downloaded.
 * @param kind whose demo stands in where they name none
 * @param notice one line for a person: that it is the demo, and how to get a real model
 * @throws UserError 'usage' where they name none and there is no demo, 'network' where it cannot be had
 */
export const modelPath = async (
  wish: ModelWish,
  kind: ModelKind,
  notice: (line: string) => void,
  folder = demoFolder,
): Promise<string> => {
  const named = namedModel(wish, kind);
  if (typeof named === 'string') {
    if (kind === 'whisper' && !existsSync(named)) throw noSpeechModel(named);
    return named;
  }
  if (named) return download(named, kind, wish, notice);
  const demo = demoIn(folder, kind === 'any' ? 'llama' : kind);
  if (demo === undefined) throw new UserError('usage', 'no model file', `give one with ${realOnes[kind]}`);
  notice(`no model is named, so this is grafo's small demo; a real one: ${realOnes[kind]}`);
  return demo;
};

/** The path of Silero's detector: a file, a model of the hub, or a name like `silero-v6.2.0`. */
export const detectorPath = async (text: string, wish: ModelWish, notice: (line: string) => void): Promise<string> => {
  const reference = isHubReference(text)
    ? parseHubReference(text)
    : existsSync(text)
      ? undefined
      : voiceDetectorNamed(text);
  return reference ? download(reference, 'any', wish, notice) : text;
};

/** A path, or a model of the hub; undefined where the flags name none. */
const namedModel = (wish: ModelWish, kind: ModelKind): string | HubReference | undefined => {
  const { model, 'hf-repo': repo, 'hf-file': file } = wish;
  if (model !== undefined && repo !== undefined)
    throw new UserError('usage', '-m and -hf: a model is a file, or comes from the hub');
  if (repo !== undefined) return withFile(parseHubReference(repo), file);
  if (file !== undefined) throw new UserError('usage', '-hff names a file of a repository', 'name that with -hf');
  if (model === undefined || existsSync(model)) return model;
  if (isHubReference(model)) return parseHubReference(model);
  return (kind === 'whisper' || kind === 'any' ? speechModelNamed(model) : undefined) ?? model;
};

/** The error for a file that is not there, with the name that was most likely meant: `bas`, `ggml-base.bin`. */
const noSpeechModel = (path: string): UserError => {
  const name = basename(path)
    .replace(/^ggml-/, '')
    .replace(/\.bin$/, '');
  const close = nearest(name, speechNames);
  const hint = close === undefined ? `a name such as base, small.en, turbo is downloaded` : `-m ${close} downloads it`;
  return new UserError('file', `cannot read '${path}': no such file or directory`, hint);
};

const withFile = (reference: HubReference, file: string | undefined): HubReference =>
  file === undefined ? reference : { ...reference, wanted: { kind: 'file', path: checkedPath(file) } };

const download = (
  reference: HubReference,
  kind: ModelKind,
  wish: ModelWish,
  notice: (line: string) => void,
): Promise<string> =>
  withWatcher(wish, notice, async (watcher) => {
    const { hubModel } = await import('../io/hub/model.ts');
    return hubModel(reference, formsOf(kind), settingsOf(wish), watcher);
  });

/** An open model, and what messages call it. */
export interface NamedModel extends ModelFile {
  readonly name: string;
}

/**
 * Opens the model that the flags mean to read its header; of a model of the hub only that is asked for.
 * @throws UserError as `modelPath` does, and 'file' or 'model' for what is no model
 */
export const openHeader = async (
  wish: ModelWish,
  kind: ModelKind,
  notice: (line: string) => void,
): Promise<NamedModel> => {
  const named = namedModel(wish, kind);
  if (named === undefined || typeof named === 'string') {
    const name = await modelPath(wish, kind, notice);
    return { ...(await openModelFile(name)), name };
  }
  const { hubModelPlace } = await import('../io/hub/model-place.ts');
  const place = await withWatcher(wish, notice, (watcher) =>
    hubModelPlace(named, formsOf(kind), settingsOf(wish), watcher),
  );
  try {
    const file = await (place.open ? openSingleFile(place.path, place.open) : openModelFile(place.path));
    return {
      ...file,
      name: place.path,
      async close() {
        await file.close();
        await place.close();
      },
    };
  } catch (error) {
    await place.close();
    throw error;
  }
};

const settingsOf = ({ 'hf-token': token, offline: isOffline }: ModelWish): HubSettings =>
  hubSettings({ token, isOffline });

/** Shows how far a download is while something goes on. */
const withWatcher = async <R>(
  { quiet = false }: ModelWish,
  notice: (line: string) => void,
  use: (watcher: Watcher) => Promise<R>,
): Promise<R> => {
  const progress = downloadProgress(quiet);
  try {
    return await use({
      progress: progress.update,
      notice(line) {
        progress.end();
        notice(line);
      },
    });
  } finally {
    progress.end();
  }
};

/** The demo of a kind, in whichever format it comes. */
const demoIn = (folder: string, kind: Family): string | undefined => {
  const name = namesIn(folder).find((name) => [`${kind}.gguf`, `${kind}.bin`].includes(name));
  return name && join(folder, name);
};

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []; // an install without demos
    throw error;
  }
};
