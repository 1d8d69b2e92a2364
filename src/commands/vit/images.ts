/** The images that a command line names, and their pixels, prepared while the model works on those before. */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { ImageSource } from '../../io/image/decode.ts';
import { decodeImage } from '../../io/image/decode.ts';
import type { Pixels } from '../../io/image/pixels.ts';
import { toSquare } from '../../io/image/preprocess.ts';
import type { Sought } from '../named-files.ts';
import { findFiles } from '../named-files.ts';
import type { Task } from '../share.ts';
import { readStdinBytes } from '../terminal.ts';
import type { Recipe } from './preprocessing.ts';

/** What is looked for in folders. */
export const imageFiles: Sought = {
  what: 'images',
  extensions: /\.(jpe?g|jpe|jfif|png|webp|avif|tiff?|gif|svg|bmp)$/i,
};

/** An image that is named, and the file that comes of it. */
export interface ImageTask extends ImageSource, Task {
  /** Which of all images that are named it is, from 0. */
  readonly nth: number;
}

/**
 * Images by the words of a command line, in their order; `-` is an image on stdin, which is read at once.
 * @param folder where a JSON file for each goes, if anywhere: `red.png.json` for `red.png`
 * @throws UserError 'usage' where a folder or a pattern holds no image
 */
export const findImages = async (words: readonly string[], folder: string | undefined): Promise<ImageTask[]> =>
  Promise.all(
    (await findFiles(words, imageFiles)).map(async ({ path, place }, i) => {
      const isStdin = path === '-';
      const outputs = folder === undefined ? [] : [join(folder, `${isStdin ? 'stdin' : place}.json`)];
      return { name: isStdin ? 'stdin' : path, input: isStdin ? await readStdinBytes() : path, path, outputs, nth: i };
    }),
  );

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
    return done(toSquare(await decodeImage(source, { ...recipe, side: imageSize }), imageSize, recipe));
  } catch (error) {
    if (error instanceof UserError) return done(error);
    throw error;
  }
};
