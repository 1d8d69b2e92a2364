/**
 * The cache that Hugging Face's tools share: `models--USER--NAME/` with `blobs/SUM`, the bytes; `refs/REVISION`, a
 * commit; and `snapshots/COMMIT/PATH`, links to blobs.
 */
import { mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileError } from '../gguf/file.ts';
import { writeWhole } from '../whole-file.ts';
import { isCommit } from './snapshot.ts';

/** One repository's place in the cache. */
export interface RepoCache {
  readonly folder: string;
  blob(hex: string): string;
  snapshot(commit: string): string;
}

/** A repository's place in the cache of Hugging Face's own tools. */
export const repoCache = (cacheFolder: string, repo: string): RepoCache => {
  const folder = join(cacheFolder, `models--${repo.replaceAll('/', '--')}`);
  return {
    folder,
    blob: (hex) => join(folder, 'blobs', hex),
    snapshot: (commit) => join(folder, 'snapshots', commit),
  };
};

/** Where the locks of a repository's downloads are. */
export const lockFolder = (cacheFolder: string, repo: string): string =>
  join(cacheFolder, '.locks', `models--${repo.replaceAll('/', '--')}`);

/** The size of the file behind a path; undefined where there is none, or a link to nothing. */
export const sizeAt = async (path: string): Promise<number | undefined> => {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
};

/** Makes a file of a snapshot from a blob: a link, or the blob itself where there are no links. */
export const linkFile = async (blob: string, path: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'EEXIST') return; // another process was faster
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EINVAL'].includes(code)) throw fileError('write', path, error);
    await rename(blob, path);
  }
};

/** Notes which commit a revision stands for now. */
export const writeRef = async ({ folder }: RepoCache, revision: string, commit: string): Promise<void> => {
  if (isCommit(revision)) return;
  const path = join(folder, 'refs', revision);
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, (file) => file.writeFile(commit));
};

/** The commit that a revision stood for when the hub was asked last. */
export const readRef = async ({ folder }: RepoCache, revision: string): Promise<string | undefined> => {
  if (isCommit(revision)) return revision;
  const text = await readFile(join(folder, 'refs', revision), 'utf8').catch(() => '');
  return isCommit(text.trim()) ? text.trim() : undefined;
};

/** A file that is in the cache. */
export interface CachedFile {
  /** Inside the repository. */
  readonly path: string;
}

/** The files of a snapshot that are here in full; in the order of their names. */
export const cachedFiles = async (cache: RepoCache, commit: string): Promise<readonly CachedFile[]> => {
  const root = cache.snapshot(commit);
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  const files: CachedFile[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if ((await sizeAt(path)) !== undefined) files.push({ path: relative(root, path).split(sep).join('/') });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
};
