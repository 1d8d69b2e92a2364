/**
 * The tensor list with which files of the old ggml format end (whisper.cpp, vit.cpp, Silero): for each tensor the
 * number of its dimensions, the length of its name and its type, then the dimensions, innermost first, the name, and
 * the data without any padding.
 */
import { UserError } from '../../errors.ts';
import { hasControls } from '../gguf/file.ts';
import { storedLength, type TensorPlace } from '../gguf/place.ts';
import { typeOfId } from '../gguf/types.ts';
import type { GgmlCursor } from './cursor.ts';

const MAX_DIMS = 4; // GGML_MAX_DIMS
/** Longer than any name; ggml itself keeps 63 bytes. */
const MAX_NAME = 255;
/** Far beyond any model of these formats: the largest Whisper has 1,259. */
const MAX_TENSORS = 20_000;

const text = new TextDecoder('utf-8', { ignoreBOM: true }); // named after what it ignores: the mark is then kept

/**
 * The tensors from the cursor to the end of its file, in the file's order.
 * @throws UserError 'model' for a damaged list, a tensor twice or outside the file, or a type grafo does not read
 */
export const readTensorList = async (c: GgmlCursor): Promise<TensorPlace[]> => {
  const places: TensorPlace[] = [];
  const names = new Set<string>();
  while (!c.isAtEnd) {
    if (places.length === MAX_TENSORS) throw c.damaged(`it has more than ${MAX_TENSORS} tensors`);
    const place = await readTensor(c, places.at(-1)?.name);
    if (names.has(place.name))
      throw new UserError('model', `tensor '${place.name}': appears twice in '${c.file.path}'`);
    names.add(place.name);
    places.push(place);
  }
  return places;
};

const readTensor = async (c: GgmlCursor, before: string | undefined): Promise<TensorPlace> => {
  const where = before === undefined ? 'of the first tensor' : `of the tensor after '${before}'`;
  const nDim = await c.count(`the number of dimensions ${where}`, 0, MAX_DIMS);
  const nameLength = await c.count(`the length of the name ${where}`, 1, MAX_NAME);
  const typeId = await c.i32(`the type ${where}`);
  const ne = [...(await c.i32s(nDim, `the shape ${where}`))];
  const name = text.decode(await c.bytes(nameLength, `the name ${where}`));
  if (hasControls(name)) throw c.damaged(`the name ${where} is ${JSON.stringify(name)}`);
  const type = typeOfId(typeId, name);
  const length = storedLength(
    ne.map(BigInt),
    type,
    c.file.size,
    (what) => new UserError('model', `tensor '${name}': ${what}`),
  );
  return { name, type, shape: ne.reverse(), offset: c.skip(length, `tensor '${name}'`) };
};
