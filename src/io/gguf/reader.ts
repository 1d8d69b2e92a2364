/** GGUF files as a source of weights: the header is read when opening, weights when asked for, rows at a time. */
import { UserError } from '../../errors.ts';
import type { StoredTensor, WeightSource } from '../../graph/weights.ts';
import { type Open, type OpenFile, openFile } from './file.ts';
import { type Header, readHeader } from './header.ts';
import { createPackers, type Packers } from './packers.ts';
import { checkPart, checkTensorCount, partCount, partPaths } from './parts.ts';
import { tensorAt } from './place.ts';

/** An open model; its parts stay open until `close`. */
export interface GgufFile extends WeightSource {
  /** As given. */
  readonly path: string;
  /** The paths of all files of the model, one unless it is split. */
  readonly parts: readonly string[];
  close(): Promise<void>;
}

interface Part {
  readonly file: OpenFile;
  readonly header: Header;
}

/**
 * Opens a GGUF file (version 2 or 3), or all parts of a split model given any one of them. Only headers are read;
 * every tensor is known to lie inside its file and to be of a type grafo reads.
 * @param open how its files are opened: of this machine if absent
 * @throws UserError 'file' for a missing or unreadable file or part, 'model' for a damaged, foreign or unsupported one
 */
export const openGguf = async (path: string, open: Open = openFile): Promise<GgufFile> => {
  const opened: Part[] = [];
  const packers = createPackers();
  const close = async () => {
    await packers.close();
    await Promise.all(opened.map(({ file }) => file.close()));
  };
  const openPart = async (path: string): Promise<Part> => {
    const part = await readPart(path, open);
    opened.push(part);
    return part;
  };
  try {
    const given = await openPart(path);
    const count = partCount(given.header.metadata);
    const parts = count > 1 ? await openParts(given, count, openPart) : [given];
    const metadata = parts[0]!.header.metadata;
    const tensors = mergeTensors(parts, packers);
    checkTensorCount(metadata, path, tensors.size);
    return { path, parts: parts.map(({ file }) => file.path), metadata, tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
};

const readPart = async (path: string, open: Open): Promise<Part> => {
  const file = await open(path);
  try {
    return { file, header: await readHeader(file) };
  } catch (error) {
    await file.close();
    throw error;
  }
};

/** All parts in order, of which `given` is open already. */
const openParts = async (given: Part, count: number, openPart: (path: string) => Promise<Part>): Promise<Part[]> => {
  const parts: Part[] = [];
  for (const [i, path] of partPaths(given.file.path, count).entries()) {
    const part = path === given.file.path ? given : await openPart(path);
    checkPart(part.header.metadata, path, i, count);
    parts.push(part);
  }
  return parts;
};

const mergeTensors = (parts: readonly Part[], { pack }: Packers): ReadonlyMap<string, StoredTensor> => {
  const tensors = new Map<string, StoredTensor>();
  for (const { file, header } of parts) {
    for (const place of header.tensors) {
      if (tensors.has(place.name)) {
        throw new UserError('model', `tensor '${place.name}' of '${file.path}' is in an earlier part too`);
      }
      tensors.set(place.name, tensorAt(file, place, pack));
    }
  }
  return tensors;
};
