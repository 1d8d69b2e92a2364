/**
 * The runtime's own packed form of a kept program: it loads in a fraction of the time and is mapped, so that memory
 * grows only with use. To make it takes as long as a start, so it is made by a process of its own: after the first
 * session, or before it where memory has no room for all weights at once. It is made product by product, so it takes little
 * memory itself.
 *
 * ONNX Runtime 1.30 aligns only blobs of a megabyte and more in the packed files it writes, and its 4- and 8-bit kernels
 * read one that lies elsewhere wrongly, without a word. So each is put at a place of our choice, and a packed form is
 * kept only if every product with it gives the very bits that the plain one gives.
 */
import { spawn } from 'node:child_process';
import { open, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../system/built-file.ts';
import { writeAll } from '../../system/write-all.ts';
import type { ModelPart, PackedForms, Place } from '../lower/onnx-parts.ts';
import { formsIn, movedTo, placesOf, takeApart, withForms } from '../lower/onnx-parts.ts';
import { elements } from '../tensor.ts';
import { bytesOf } from './cache-rows.ts';
import { sumFile } from './checksums.ts';
import type { Progress } from './files.ts';
import { newFolder } from './files.ts';
import type { KeptProgram } from './kept.ts';
import { evict, keep } from './kept.ts';
import { weightsWrittenTo } from './optimise.ts';
import { InferenceSession, Tensor as OrtTensor } from './runtime.ts';

/** When what is kept gets its packed form: after the session, which waits for it if told so, or before it. */
export type Packing = 'later' | 'awaited' | 'first';

/** Where a packed form is kept. */
interface PackPlace {
  readonly cacheFolder: string;
  readonly key: string;
  readonly limit: number;
}

/** The kept program as grafo prepared it, and where its packed form goes. */
export interface PackRequest extends PackPlace {
  readonly folder: string;
  readonly model: string;
  readonly label: string;
  /** Whether somebody waits for it and is told of every step. */
  readonly isAwaited: boolean;
}

/** What the process says to who waits for it: weights that are done, of all. */
export type PackStep = readonly [done: number, total: number];

const MODEL = 'packed.onnx';
const WEIGHTS = 'packed.bin';

/** Below this a start takes no time that anybody would notice. */
const WORTH_PACKING = 64 * 2 ** 20;

/** The packed file holds the blocks as they are and as the kernels want them. */
const TIMES_LARGER = 2.5;

/** Where the kernels may be given what they have packed: they put it at such places themselves. */
const ALIGNMENT = 64;

/** Of weights that are packed at a time. */
const PART_BYTES = 64 * 2 ** 20;

/**
 * Starts the packing of a program that has just been kept. Packing for later goes on when this process has ended; where it
 * cannot be started, the next start takes what is there.
 * @param progress told of what is packed first; throws to stop
 */
export const startPacking = async (
  kept: KeptProgram,
  place: PackPlace & { readonly packing: Packing },
  progress?: Progress,
): Promise<void> => {
  const { cacheFolder, key, limit, packing } = place;
  const need = kept.byteLength * TIMES_LARGER;
  if ((packing !== 'first' && kept.byteLength < WORTH_PACKING) || need > limit) return;
  const disk = await statfs(cacheFolder).catch(() => undefined);
  if (!disk || disk.bavail * disk.bsize < 1.2 * need) return;
  const { folder, model, label } = kept;
  const request: PackRequest = { cacheFolder, key, limit, folder, model, label, isAwaited: packing === 'first' };
  const child = spawn(process.execPath, [fileURLToPath(builtFile('graph/device/packer')), JSON.stringify(request)], {
    detached: packing !== 'first',
    stdio: packing === 'first' ? ['ignore', 'ignore', 'ignore', 'ipc'] : 'ignore',
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('message', ([done, total]: PackStep) => {
      try {
        progress?.(done, total);
      } catch (error) {
        child.kill(); // whoever waits has given up
        reject(error);
      }
    });
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  });
  if (packing === 'later') child.unref();
  else await ended;
};

/**
 * Makes the packed form and puts it in the place of the other.
 * @returns whether it gives the same bits and is kept
 */
export const pack = async (request: PackRequest, progress?: Progress): Promise<boolean> => {
  const { cacheFolder, key, limit, folder, model, label } = request;
  const made = await newFolder(cacheFolder);
  try {
    if (dirname(made) !== cacheFolder) return false;
    await optimise(model, made);
    const onnx = await readFile(join(made, MODEL));
    const forms = await packParts(made, takeApart(onnx, PART_BYTES), progress);
    if (!forms) return false;
    await writeFile(join(made, MODEL), withForms(onnx, forms));
    const files = [await sumFile(made, MODEL), await sumFile(made, WEIGHTS)];
    const kept = await keep(made, { cacheFolder, key, isPacked: true, manifest: { label, model: MODEL, files } });
    if (!kept) return false;
    await rm(folder, { recursive: true, force: true });
    await evict(cacheFolder, limit, kept);
    return true;
  } finally {
    await rm(made, { recursive: true, force: true });
  }
};

/** Writes the model as the runtime runs it, and its weights, of which none is packed. */
const optimise = async (model: string, folder: string): Promise<void> => {
  const session = await InferenceSession.create(model, {
    ...onProcessor,
    graphOptimizationLevel: 'all',
    optimizedModelFilePath: join(folder, MODEL),
    extra: { session: { disable_prepacking: '1', ...weightsWrittenTo(WEIGHTS) } },
  });
  await session.release();
};

const onProcessor = { executionProviders: ['cpu'], intraOpNumThreads: 1, logSeverityLevel: 4 } as const;

/** Puts the packed forms of all weights behind the weights; undefined where one is not read as it was written. */
const packParts = async (
  folder: string,
  parts: readonly ModelPart[],
  progress?: Progress,
): Promise<PackedForms | undefined> => {
  const total = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const all: PackedForms[] = [];
  let done = 0;
  for (const part of parts) {
    const forms = await packPart(folder, part);
    if (!forms) return undefined;
    all.push(forms);
    done += part.byteLength;
    progress?.(done, total);
  }
  return new Map(all.flatMap((forms) => [...forms]));
};

const packPart = async (folder: string, part: ModelPart): Promise<PackedForms | undefined> => {
  const [model, packed, weights] = [join(folder, 'part.onnx'), join(folder, 'part-packed.onnx'), 'part.bin'];
  await writeFile(model, part.onnx());
  const plain = await answer(model, part, {
    optimizedModelFilePath: packed,
    extra: { session: { save_external_prepacked_constant_initializers: '1', ...weightsWrittenTo(weights) } },
  });
  const written = formsIn(await readFile(packed));
  const places = await append(join(folder, weights), join(folder, WEIGHTS), placesOf(written));
  const forms = movedTo(written, (offset) => places.get(offset) ?? offset);
  await writeFile(model, part.onnx(forms));
  const mapped = await answer(model, part);
  for (const file of [model, packed, join(folder, weights)]) await rm(file, { force: true });
  return Buffer.compare(plain, mapped) === 0 ? forms : undefined;
};

/** Bytes copied at a time. */
const PIECE = 16 * 2 ** 20;

/** Copies places of a file behind the end of another; where each begins now, by where it began. */
const append = async (
  source: string,
  target: string,
  places: readonly Place[],
): Promise<ReadonlyMap<number, number>> => {
  const moved = new Map<number, number>();
  if (places.length === 0) return moved;
  const [from, to] = [await open(source, 'r'), await open(target, 'r+')];
  try {
    const buffer = new Uint8Array(PIECE);
    let end = (await to.stat()).size;
    for (const { offset, byteLength } of places) {
      end = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
      moved.set(offset, end);
      for (let done = 0; done < byteLength; ) {
        const n = Math.min(PIECE, byteLength - done);
        const { bytesRead } = await from.read(buffer, 0, n, offset + done);
        if (bytesRead === 0) throw new Error(`${source} ends within a weight`);
        await writeAll(to, buffer.subarray(0, bytesRead), end + done);
        done += bytesRead;
      }
      end += byteLength;
    }
    return moved;
  } finally {
    await from.close();
    await to.close();
  }
};

/** The bytes of everything that one run of a part gives. */
const answer = async (
  model: string,
  { inputs }: ModelPart,
  options: InferenceSession.SessionOptions = {},
): Promise<Uint8Array> => {
  const session = await InferenceSession.create(model, {
    ...onProcessor,
    graphOptimizationLevel: 'disabled',
    ...options,
  });
  try {
    const waves = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i));
    const feeds = inputs.map(
      ({ name, dims }) => [name, new OrtTensor('float32', waves(elements(dims)), [...dims])] as const,
    );
    const outputs = await session.run(Object.fromEntries(feeds));
    return Buffer.concat(session.outputNames.map((name) => bytesOf(outputs[name]?.data)));
  } finally {
    await session.release();
  }
};
