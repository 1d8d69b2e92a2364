/** A model of the hub that is only looked at: its header is read from where it is. */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { Open } from '../gguf/file.ts';
import { repoCache, sizeAt } from './cache.ts';
import { chooseFiles, type ModelForm } from './choose.ts';
import { addressOf, cachedModel, freshModel, pathOf, type Watcher } from './model.ts';
import { type HubReference, nameOf } from './reference.ts';
import { openRemote } from './remote.ts';
import type { HubSettings } from './settings.ts';
import { type HubFile, readSnapshot } from './snapshot.ts';
import { openTransport } from './transport.ts';

/** A model that is read from where it is. */
export interface ModelPlace {
  readonly path: string;
  /** How its files are opened; as files of this machine if absent. */
  readonly open?: Open;
  /** Ends all connections. */
  close(): Promise<void>;
}

/**
 * A model to look at without downloading it: where its cache has it there, else on the hub, its header in a few requests.
 * Folders are downloaded.
 * @throws UserError 'network' where the model can be had neither from the hub nor from the cache
 */
export const hubModelPlace = async (
  reference: HubReference,
  forms: readonly ModelForm[],
  settings: HubSettings,
  watcher: Watcher,
): Promise<ModelPlace> => {
  const local = (path: string): ModelPlace => ({ path, close: async () => undefined });
  if (settings.isOffline) return local(await cachedModel(reference, forms, settings));
  const transport = openTransport(settings);
  try {
    const { commit, files } = await readSnapshot(reference, transport, settings);
    const chosen = chooseFiles(files, reference, forms);
    const snapshot = repoCache(settings.folder, reference.repo).snapshot(commit);
    const sizes = await Promise.all(chosen.files.map(({ path }) => sizeAt(join(snapshot, path))));
    const isHere = chosen.files.every(({ size }, i) => sizes[i] === size);
    if (isHere || chosen.form === 'folder') {
      const path = isHere
        ? pathOf(chosen, snapshot)
        : await freshModel(reference, forms, { transport, settings, watcher });
      await transport.close();
      return local(path);
    }
    const nameOfFile = ({ path }: HubFile) => nameOf({ ...reference, wanted: { kind: 'file', path } });
    const [first] = chosen.files;
    return {
      path: first ? nameOfFile(first) : nameOf(reference),
      async open(path) {
        const file = chosen.files.find((other) => nameOfFile(other) === path);
        if (!file) throw new UserError('file', `'${path}' is no part of the model`);
        const url = addressOf(reference.repo, commit, file, settings);
        return openRemote({ path, url, repo: reference.repo, size: file.size }, transport, settings.waits);
      },
      close: transport.close,
    };
  } catch (error) {
    await transport.close();
    throw error;
  }
};
