/** How a command keeps the prepared weights of a model's file. */
import { basename } from 'node:path';
import type { Keeping } from '../graph/device/kept.ts';
import type { MetadataValue } from '../graph/weights.ts';
import { identityOf } from '../io/gguf/identity.ts';
import { cacheFolder, cacheLimit } from './options.ts';

interface KeepingOptions {
  /** Metadata that counts instead of the file's: tables are computed from it. */
  readonly overrides?: ReadonlyMap<string, MetadataValue>;
  /** One line for a person. */
  notice(line: string): void;
}

/** @param parts the files whose bytes the weights are made of */
export const keepingOf = async (
  path: string,
  parts: readonly string[],
  { overrides = new Map(), notice }: KeepingOptions,
): Promise<Keeping> => ({
  cacheFolder: cacheFolder(),
  limit: cacheLimit(),
  source: JSON.stringify([await identityOf(parts), ...[...overrides].map(([key, value]) => [key, String(value)])]),
  label: basename(path),
  notice,
});
