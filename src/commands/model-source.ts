/** Which model a command runs: the file that the user names, or the demo of the command's kind that comes with grafo. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.ts';
import type { Family } from '../models/index.ts';

/** The flags that name a model. */
export interface ModelWish {
  readonly model: string | undefined;
}

/** Where the demos are: small models of grafo's own, one for each command, each called like it. */
const demoFolder = fileURLToPath(new URL('../../demo/', import.meta.url));

/** How a real model of each kind is called. */
const realOnes: Readonly<Record<Family, string>> = {
  llama: '-m model.gguf',
  deepseek: '-m model.gguf',
  vit: '-m vit.gguf',
  whisper: '-m ggml-base.bin',
};

/**
 * The path of the model that the flags mean.
 * @param kind whose demo stands in where they name none
 * @param notice one line for a person: that it is the demo, and how to get a real model
 * @throws UserError 'usage' where there is neither
 */
export const modelPath = async (
  { model }: ModelWish,
  kind: Family,
  notice: (line: string) => void,
  folder = demoFolder,
): Promise<string> => {
  if (model !== undefined) return model;
  const demo = demoIn(folder, kind);
  if (demo === undefined) throw new UserError('usage', 'no model file', `give one with ${realOnes[kind]}`);
  notice(`no model is named, so this is grafo's small demo; a real one: ${realOnes[kind]}`);
  return demo;
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
