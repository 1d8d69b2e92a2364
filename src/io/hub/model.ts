/** A model of the hub as a path of this machine: from the cache, or downloaded into it first. */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { bytesText } from './bytes.ts';
import { cachedFiles, lockFolder, readRef, repoCache, sizeAt, writeRef } from './cache.ts';
import { markUsed } from './cached-models.ts';
import { chooseFiles, type ModelForm } from './choose.ts';
import { downloadFile } from './download.ts';
import { type HubReference, nameOf } from './reference.ts';
import { TransientError } from './refusal.ts';
import type { HubSettings } from './settings.ts';
import { type HubFile, readSnapshot } from './snapshot.ts';
import { openTransport, type Transport } from './transport.ts';

/** Who is told what happens. */
export interface Watcher {
  /** One line for a person. */
  notice(line: string): void;
  /** Called as bytes of these files come. */
  progress(done: number, total: number): void;
}

/**
 * The path of a model's file, or of the folder with its files.
 * @param forms what its reader reads
 * @throws UserError 'network' where the model can be had neither from the hub nor from the cache
 */
export const hubModel = async (
  reference: HubReference,
  forms: readonly ModelForm[],
  settings: HubSettings,
  watcher: Watcher,
): Promise<string> => {
  if (settings.isOffline) return cachedModel(reference, forms, settings);
  const transport = openTransport(settings);
  try {
    return await freshModel(reference, forms, { transport, settings, watcher });
  } catch (error) {
    // Without the hub, what it had when it was asked last is as good as what there is.
    if (!(error instanceof TransientError)) throw error;
    const cached = await cachedModel(reference, forms, settings).catch(() => undefined);
    if (cached === undefined) throw error;
    watcher.notice(`${error.message}; the copy in the cache is used`);
    return cached;
  } finally {
    await transport.close();
  }
};

/** The path of a model as the hub had it when it was asked last. */
export const cachedModel = async (
  reference: HubReference,
  forms: readonly ModelForm[],
  { folder, isOffline }: HubSettings,
): Promise<string> => {
  const cache = repoCache(folder, reference.repo);
  const commit = await readRef(cache, reference.revision);
  const files = commit === undefined ? [] : await cachedFiles(cache, commit);
  if (commit === undefined || files.length === 0)
    throw new UserError(
      'network',
      `${nameOf(reference)} is not in the cache${isOffline ? ', and the hub is not to be asked' : ''}`,
      `get it without --offline and HF_HUB_OFFLINE: grafo models pull ${nameOf(reference)}`,
    );
  const chosen = chooseFiles(files, reference, forms);
  await markAll(chosen.files, cache.snapshot(commit));
  return pathOf(chosen, cache.snapshot(commit));
};

const markAll = async (files: readonly { readonly path: string }[], snapshot: string): Promise<void> => {
  for (const { path } of files) await markUsed(join(snapshot, path));
};

/** What to open of the chosen files of a snapshot. */
export const pathOf = (
  { form, files }: { readonly form: ModelForm; readonly files: readonly { readonly path: string }[] },
  snapshot: string,
): string => (form === 'folder' ? snapshot : join(snapshot, files[0]?.path ?? ''));

interface Hub {
  readonly transport: Transport;
  readonly settings: HubSettings;
  readonly watcher: Watcher;
}

/** The path of a model as the hub has it now. */
export const freshModel = async (reference: HubReference, forms: readonly ModelForm[], hub: Hub): Promise<string> => {
  const { settings, transport } = hub;
  const { commit, files } = await readSnapshot(reference, transport, settings);
  const chosen = chooseFiles(files, reference, forms);
  const cache = repoCache(settings.folder, reference.repo);
  const snapshot = cache.snapshot(commit);
  const missing: HubFile[] = [];
  for (const file of chosen.files) if ((await sizeAt(join(snapshot, file.path))) !== file.size) missing.push(file);
  await downloadAll(missing, commit, reference, hub);
  await writeRef(cache, reference.revision, commit);
  await markAll(chosen.files, snapshot);
  return pathOf(chosen, snapshot);
};

const downloadAll = async (
  missing: readonly HubFile[],
  commit: string,
  { repo }: HubReference,
  { settings, transport, watcher }: Hub,
): Promise<void> => {
  const cache = repoCache(settings.folder, repo);
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  if (missing.length > 0) watcher.notice(`downloading ${repo}, ${bytesText(total)}, into ${settings.folder}`);
  let before = 0;
  for (const file of missing) {
    await downloadFile(file, {
      transport,
      settings,
      repo,
      url: addressOf(repo, commit, file, settings),
      blob: cache.blob(file.digest.hex),
      path: join(cache.snapshot(commit), file.path),
      lockPath: join(lockFolder(settings.folder, repo), `${file.digest.hex}.grafo`),
      progress: (done) => watcher.progress(before + done, total),
      notice: watcher.notice,
    });
    before += file.size;
  }
};

/** Where a file is on the hub. */
export const addressOf = (repo: string, commit: string, { path }: HubFile, { endpoint }: HubSettings): string =>
  `${endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
