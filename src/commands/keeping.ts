import { basename } from 'node:path';
import type { Keeping } from '../graph/device/kept.ts';
import type { MetadataValue } from '../graph/weights.ts';
import { identityOf } from '../io/gguf/identity.ts';
import { cacheFolder, cacheLimit } from './options.ts';

interface KeepingOptions {
  /** Metadata that counts instead of the files': tables are computed from it. */
  readonly overrides: ReadonlyMap<string, MetadataValue>;
  /** One line for a person. */
  notice(line: string): void;
}

/** How the prepared weights of a model in these files are kept for later starts. */
export const keepingOf = async (paths: readonly string[], { overrides, notice }: KeepingOptions): Promise<Keeping> => ({
  cacheFolder: cacheFolder(),
  limit: cacheLimit(),
  source: JSON.stringify([await identityOf(paths), ...overrides], (_, x) => (typeof x === 'bigint' ? String(x) : x)),
  label: basename(paths[0] ?? ''),
  notice,
});
