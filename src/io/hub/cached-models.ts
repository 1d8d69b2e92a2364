/** The models in the cache that all tools of Hugging Face share: what there is, and how to be rid of it. */
import { lstat, readdir, realpath, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cachedFiles, lockFolder, readRef, repoCache } from './cache.ts';
import { groupFiles, type ModelForm } from './choose.ts';
import { isCommit } from './snapshot.ts';

export interface CachedModel {
  readonly repo: string;
  readonly form: ModelForm;
  /** Where it is: a file, the first of several, or a folder. */
  readonly path: string;
  /** Its files, as links of a snapshot. */
  readonly files: readonly string[];
  /** The first file inside the repository; of a folder, nothing. */
  readonly file: string;
  readonly byteLength: number;
  /** What its links lead to; other models may share it. */
  readonly blobs: readonly { readonly path: string; readonly size: number }[];
  readonly lastUsed: Date;
  /** Whether the branch `main` has it; else it is of an earlier or another revision. */
  readonly isCurrent: boolean;
}

const REPO = /^models--(.+?)--(.+)$/;

/** Every model in the cache that grafo reads, the one that was used last first. */
export const listCached = async (folder: string): Promise<readonly CachedModel[]> => {
  const models: CachedModel[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const [, user, model] = REPO.exec(name) ?? [];
    if (user !== undefined) models.push(...(await cachedOf(folder, `${user}/${model}`)));
  }
  return models.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
};

const cachedOf = async (folder: string, repo: string): Promise<readonly CachedModel[]> => {
  const cache = repoCache(folder, repo);
  const main = await readRef(cache, 'main');
  const commits = await readdir(join(cache.folder, 'snapshots')).catch(() => []);
  const models: CachedModel[] = [];
  for (const commit of commits.filter(isCommit)) {
    const snapshot = cache.snapshot(commit);
    for (const { form, files } of groupFiles(await cachedFiles(cache, commit))) {
      const paths = files.map(({ path }) => join(snapshot, path));
      const stats = await Promise.all(paths.map((path) => stat(path)));
      const places = await Promise.all(paths.map((path) => realpath(path)));
      models.push({
        repo,
        form,
        path: form === 'folder' ? snapshot : (paths[0] ?? snapshot),
        files: paths,
        file: form === 'folder' ? '' : (files[0]?.path ?? ''),
        blobs: places.map((path, i) => ({ path, size: stats[i]?.size ?? 0 })),
        byteLength: stats.reduce((sum, { size }) => sum + size, 0),
        lastUsed: new Date(Math.max(...stats.map(({ atimeMs, mtimeMs }) => Math.max(atimeMs, mtimeMs)))),
        isCurrent: commit === main,
      });
    }
  }
  return models;
};

/** Notes that a model is used now; when it was written stays, since what is prepared from it is known by that. */
export const markUsed = async (path: string): Promise<void> => {
  const { mtime } = await stat(path);
  await utimes(path, new Date(), mtime).catch(() => undefined); // a cache that is another's to write serves as well
};

/** Removes a model, and the bytes that no other snapshot has; gives how many bytes are free then. */
export const removeCached = async (folder: string, { repo, files }: CachedModel): Promise<number> => {
  const cache = repoCache(folder, repo);
  let freed = 0;
  for (const path of files) {
    const blob = await realpath(path);
    await rm(path);
    if (blob !== path && (await isLinked(cache.folder, blob))) continue;
    freed += await sizeOf(blob);
    await rm(blob, { force: true });
  }
  await removeEmpty(join(cache.folder, 'snapshots'));
  const left = await readdir(join(cache.folder, 'snapshots')).catch(() => []);
  return left.length > 0 ? freed : freed + ((await removeRepo(folder, repo)) ?? 0);
};

/** Removes all that there is of a repository; gives how many bytes that was, or undefined where there is nothing. */
export const removeRepo = async (folder: string, repo: string): Promise<number | undefined> => {
  const cache = repoCache(folder, repo);
  if (!(await lstat(cache.folder).catch(() => undefined))) return undefined;
  const blobs = await readdir(join(cache.folder, 'blobs')).catch(() => []);
  const sizes = await Promise.all(blobs.map((name) => sizeOf(join(cache.folder, 'blobs', name))));
  await rm(cache.folder, { recursive: true, force: true });
  await rm(lockFolder(folder, repo), { recursive: true, force: true });
  return sizes.reduce((sum, size) => sum + size, 0);
};

const sizeOf = async (path: string): Promise<number> => (await lstat(path).catch(() => undefined))?.size ?? 0; // removed by another process meanwhile

/** Whether a snapshot still has these bytes. */
const isLinked = async (folder: string, blob: string): Promise<boolean> => {
  const links = await readdir(join(folder, 'snapshots'), { recursive: true, withFileTypes: true }).catch(() => []);
  for (const link of links) {
    const target = link.isSymbolicLink() && (await realpath(join(link.parentPath, link.name)).catch(() => undefined));
    if (target && basename(target) === basename(blob) && dirname(target) === dirname(blob)) return true;
  }
  return false;
};

/** Removes folders without files, from the innermost on. */
const removeEmpty = async (folder: string): Promise<void> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const inner = join(folder, entry.name);
    await removeEmpty(inner);
    if ((await readdir(inner)).length === 0) await rmdir(inner);
  }
};
