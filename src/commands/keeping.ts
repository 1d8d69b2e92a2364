/** How a command keeps the prepared weights of a model's file. */
import { basename } from 'node:path';
import type { Keeping } from '../graph/device/kept.ts';
import { identityOf } from '../io/gguf/identity.ts';
import { cacheFolder, cacheLimit } from './options.ts';

/** @param parts the files whose bytes the weights are made of */
export const keepingOf = async (
  path: string,
  parts: readonly string[],
  notice: (line: string) => void,
): Promise<Keeping> => ({
  cacheFolder: cacheFolder(),
  limit: cacheLimit(),
  source: await identityOf(parts),
  label: basename(path),
  notice,
});
