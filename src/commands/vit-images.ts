/** The images that a command line names, and their pixels, prepared while the model works on those before. */
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { glob } from 'tinyglobby';
import { UserError } from '../errors.ts';
import type { ImageSource } from '../io/image/decode.ts';
import { decodeImage } from '../io/image/decode.ts';
import type { Pixels } from '../io/image/pixels.ts';
import { toSquare } from '../io/image/preprocess.ts';
import { readStdinBytes } from './terminal.ts';
import type { Recipe } from './vit-preprocessing.ts';

/** What a folder is searched for. */
const EXTENSIONS = /\.(jpe?g|jpe|jfif|png|webp|avif|tiff?|gif|svg|bmp)$/i;

/**
 * Images by the words of a command line, in their order: files, folders (with all folders in them), patterns such as
 * `photos/*.jpg`, and `-`, which is an image on stdin. A file that is missing is found out when it is decoded.
 * @throws UserError 'usage' where a folder or a pattern holds no image
 */
export const findImages = async (words: readonly string[]): Promise<ImageSource[]> => {
  const images: ImageSource[] = [];
  for (const word of words) images.push(...(await imagesOf(word)));
  return images;
};

const imagesOf = async (word: string): Promise<ImageSource[]> => {
  if (word === '-') return [{ name: 'stdin', input: await readStdinBytes() }];
  const kind = await stat(word).catch(() => undefined);
  if (kind?.isDirectory()) return some(await imagesIn(word), `folder '${word}' has no images`);
  const isPattern = kind === undefined && /[*?[{]/.test(word);
  if (!isPattern) return [{ name: word, input: word }];
  const matches = await glob(word, { absolute: isAbsolute(word), onlyFiles: true, expandDirectories: false });
  return some(matches.sort(), `no file is like '${word}'`);
};

const some = (paths: readonly string[], otherwise: string): ImageSource[] => {
  if (paths.length === 0) throw new UserError('usage', otherwise);
  return paths.map((path) => ({ name: path, input: path }));
};

/** Paths of all images below a folder, by name. */
export const imagesIn = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => !entry.isDirectory() && EXTENSIONS.test(entry.name));
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
};

/** One image, ready or refused. */
export interface Prepared<S extends ImageSource = ImageSource> {
  readonly source: S;
  readonly result: Pixels | UserError;
  /** What decoding and resizing took. */
  readonly ms: number;
}

export interface PrepareOptions {
  readonly recipe: Recipe;
  readonly imageSize: number;
  readonly batchSize: number;
}

/** Images that are begun beyond the batch that is worked on: enough to keep decoders busy, few enough for memory. */
const AHEAD = 4;

/** Images in their order, a batch at a time; the next ones are decoded while the caller works on the last. */
export async function* preparedBatches<S extends ImageSource>(
  sources: readonly S[],
  o: PrepareOptions,
): AsyncGenerator<readonly Prepared<S>[]> {
  const begun: Promise<Prepared<S>>[] = [];
  let next = 0;
  const beginUpTo = (n: number) => {
    while (begun.length < n && next < sources.length) begun.push(prepare(sources[next++]!, o));
  };
  beginUpTo(o.batchSize);
  while (begun.length > 0) {
    const batch = await Promise.all(begun.splice(0, o.batchSize));
    beginUpTo(Math.max(AHEAD, o.batchSize));
    yield batch;
  }
}

const prepare = async <S extends ImageSource>(
  source: S,
  { recipe, imageSize }: PrepareOptions,
): Promise<Prepared<S>> => {
  const begin = performance.now();
  const done = (result: Pixels | UserError): Prepared<S> => ({ source, result, ms: performance.now() - begin });
  try {
    const { upright, alpha } = recipe;
    return done(toSquare(await decodeImage(source, { upright, alpha, side: imageSize }), imageSize, recipe));
  } catch (error) {
    if (error instanceof UserError) return done(error);
    throw error;
  }
};
