/** `--lora FILE[:scale]`: adapters opened beside a model. */
import { UserError } from '../../errors.ts';
import type { StoredAdapter } from '../../graph/weights.ts';
import { readAdapters } from '../../io/gguf/adapter.ts';
import { openGguf } from '../../io/gguf/reader.ts';
import { openAll } from '../open-all.ts';

/** An adapter's file, and how much of it counts. */
export interface AdapterWish {
  readonly path: string;
  readonly scale: number;
}

/** Reads `FILE` or `FILE:SCALE`. Throws a UserError 'usage' where no file is named. */
export const parseAdapter = (text: string): AdapterWish => {
  const [, path = '', scale = '1'] = /^(.*?)(?::(-?\d+(?:\.\d+)?))?$/s.exec(text) ?? [];
  if (path === '')
    throw new UserError('usage', `--lora '${text}' names no file`, 'like adapter.gguf or adapter.gguf:0.5');
  return { path, scale: Number(scale) };
};

export interface OpenedAdapters {
  /** By the tensor they add to; of several files, in the order in which they were named. */
  readonly adapters: ReadonlyMap<string, readonly StoredAdapter[]>;
  /** The paths of all files. */
  readonly parts: readonly string[];
  close(): Promise<void>;
}

/** Opens adapters for a model of this architecture; they stay open until `close`. */
export const openAdapters = async (wishes: readonly AdapterWish[], arch: string): Promise<OpenedAdapters> => {
  const files = await openAll(wishes, ({ path }) => openGguf(path));
  const close = async (): Promise<void> => {
    await Promise.all(files.map(([, file]) => file.close()));
  };
  try {
    const adapters = new Map<string, StoredAdapter[]>();
    for (const [{ scale }, file] of files)
      for (const [name, adapter] of readAdapters(file, arch, scale))
        adapters.set(name, [...(adapters.get(name) ?? []), adapter]);
    return { adapters, parts: files.flatMap(([, { parts }]) => parts), close };
  } catch (error) {
    await close();
    throw error;
  }
};
