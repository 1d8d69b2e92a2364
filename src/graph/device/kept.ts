/**
 * Prepared programs kept between runs, in folders named by a key of all that their bytes depend on. A folder is
 * complete when it is there: it is written under another name and renamed. Nothing in it is trusted: sizes are looked
 * at before a file is mapped, sums while the runtime loads it, and what is wrong is made again.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import type { Program } from '../lower/lower.ts';
import type { CheckedFile } from './checksums.ts';
import { areWhole, isIntact } from './checksums.ts';
import { env } from './runtime.ts';

/** Where programs are kept, and how much of the disk they may take. */
export interface Keeping {
  /** All caches of grafo; programs are in a folder of it. */
  readonly cacheFolder: string;
  /** Bytes of all kept programs together. */
  readonly limit: number;
  /** What the weights come from: changes whenever their bytes may have changed. */
  readonly source: string;
  /** The same for a person. */
  readonly label: string;
  /** One line for a person. */
  notice(line: string): void;
}

export interface KeptProgram {
  readonly folder: string;
  /** Path of the model. */
  readonly model: string;
  readonly label: string;
  readonly byteLength: number;
  readonly lastUsed: Date;
  /** Whether it is in the form that is mapped: memory is taken as weights are used, and given back. */
  readonly isPacked: boolean;
  /** Whether the sums of the model, or of the weights beside it, are right. */
  isIntact(what: 'model' | 'weights'): Promise<boolean>;
}

/** What a folder says of itself. */
export interface Manifest {
  readonly label: string;
  /** The file to load. */
  readonly model: string;
  readonly files: readonly CheckedFile[];
}

const MANIFEST = 'manifest.json';

/** The runtime's own packed form of a program, which loads in a fraction of the time. */
const PACKED = '-packed';

/** Raised whenever the meaning of a kept folder changes. */
const FORMAT = 1;

/** Where kept programs lie. */
export const programsFolder = (cacheFolder: string): string => join(cacheFolder, 'programs');

/** The name of the folder for a program whose weights come from `source`. */
export const keyOf = (program: Program, source: string): string => {
  const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };
  const recipes = program.initializers.map(({ recipe }) => recipe);
  const { platform, arch } = process;
  const parts = [FORMAT, version, env.versions.node, platform, arch, processor(), program.target, recipes, source];
  return createHash('sha256').update(JSON.stringify(parts)).update(program.onnx).digest('hex').slice(0, 32);
};

/** What the runtime chooses its kernels by. */
const processor = (): string => {
  const model = cpus()[0]?.model ?? '';
  if (process.platform !== 'linux') return model;
  const flags = /^(flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] ?? '';
  return model + flags;
};

/** The kept form of a program that loads fastest; 'broken' where one is there but none is whole. */
export const findKept = async (cacheFolder: string, key: string): Promise<KeptProgram | 'broken' | undefined> => {
  const folders = [key + PACKED, key].map((name) => join(programsFolder(cacheFolder), name));
  for (const folder of folders) {
    const kept = await readKept(folder);
    if (!kept) continue;
    const now = new Date();
    await utimes(join(kept.folder, MANIFEST), now, now).catch(() => undefined); // a read-only cache serves as well
    return kept;
  }
  return folders.some((folder) => existsSync(folder)) ? 'broken' : undefined;
};

/** All kept programs, the one that was used last first. */
export const listKept = async (cacheFolder: string): Promise<readonly KeptProgram[]> => {
  const folder = programsFolder(cacheFolder);
  const names = await readdir(folder).catch(() => []); // no folder, no programs
  const all = await Promise.all(names.map((name) => readKept(join(folder, name))));
  return all.flatMap((kept) => kept ?? []).sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
};

/** Removes every kept program, and what else lies in their folder. */
export const clearKept = (cacheFolder: string): Promise<void> =>
  rm(programsFolder(cacheFolder), { recursive: true, force: true });

/** Removes what is kept of one model. */
export const removeKept = ({ folder }: KeptProgram): Promise<void> => rm(folder, { recursive: true, force: true });

const readKept = async (folder: string): Promise<KeptProgram | undefined> => {
  const path = join(folder, MANIFEST);
  try {
    const manifest = asManifest(JSON.parse(await readFile(path, 'utf8')));
    if (!manifest || !(await areWhole(folder, manifest.files))) return undefined;
    const { label, model, files } = manifest;
    return {
      folder,
      model: join(folder, model),
      label,
      byteLength: files.reduce((sum, file) => sum + file.byteLength, 0),
      lastUsed: (await stat(path)).mtime,
      isPacked: folder.endsWith(PACKED),
      async isIntact(what) {
        const asked = files.filter(({ name }) => (name === model) === (what === 'model'));
        return (await Promise.all(asked.map((file) => isIntact(folder, file)))).every((ok) => ok);
      },
    };
  } catch {
    return undefined; // absent, unreadable or no JSON: then nothing is kept there
  }
};

/** A manifest as this version writes it; anything else is none. */
const asManifest = (value: unknown): Manifest | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const { label, model, files } = value as Partial<Record<keyof Manifest, unknown>>;
  if (typeof label !== 'string' || typeof model !== 'string' || !Array.isArray(files)) return undefined;
  const isPlainName = (name: unknown) => typeof name === 'string' && name === basename(name);
  const areFiles = files.every(
    (f) => isPlainName(f?.name) && Number.isSafeInteger(f.byteLength) && Array.isArray(f.ranges),
  );
  return isPlainName(model) && areFiles ? (value as Manifest) : undefined;
};

/**
 * Keeps a folder that has been written in full: gives it its manifest and its name. Another process may have kept the
 * same program meanwhile; then that one stays.
 * @returns what is kept now; undefined where the other process's stays
 */
export const keep = async (
  folder: string,
  { cacheFolder, key, isPacked, manifest }: KeepOptions,
): Promise<KeptProgram | undefined> => {
  await mkdir(programsFolder(cacheFolder), { recursive: true });
  await writeFile(join(folder, MANIFEST), JSON.stringify(manifest));
  const place = join(programsFolder(cacheFolder), key + (isPacked ? PACKED : ''));
  if (await readKept(place)) return undefined;
  await rm(place, { recursive: true, force: true }); // what was not whole
  try {
    await rename(folder, place);
  } catch (error) {
    if (await readKept(place)) return undefined; // the other process was quicker
    throw error;
  }
  return readKept(place);
};

interface KeepOptions {
  readonly cacheFolder: string;
  readonly key: string;
  readonly isPacked: boolean;
  readonly manifest: Manifest;
}

/** Removes the programs that were not used for longest until all fit, but for `newest`. */
export const evict = async (cacheFolder: string, limit: number, newest: KeptProgram): Promise<void> => {
  let room = limit - newest.byteLength;
  for (const kept of await listKept(cacheFolder)) {
    if (kept.folder === newest.folder) continue;
    room -= kept.byteLength;
    // Windows does not remove what another process has mapped: that goes the next time.
    if (room < 0) await removeKept(kept).catch(() => undefined);
  }
};
