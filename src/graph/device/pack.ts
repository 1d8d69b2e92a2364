/**
 * The runtime's own packed form of a kept program: it loads in a fraction of the time and is mapped, so that memory
 * grows only with use. To make it takes as long as a start, so it is made by a process of its own after one.
 *
 * ONNX Runtime 1.30 aligns only blobs of a megabyte and more in the packed file, and its 4- and 8-bit kernels read one
 * that lies elsewhere wrongly, without a word. So a file with smaller ones is written anew, and a packed form is kept
 * only if it gives the very bits that the plain one gives.
 */
import { spawn } from 'node:child_process';
import { open, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession } from 'onnxruntime-node';
import type { Program } from '../lower/lower.ts';
import type { Move } from '../lower/onnx-places.ts';
import { alignedPlaces } from '../lower/onnx-places.ts';
import { builtFile } from './built-file.ts';
import { sumFile } from './checksums.ts';
import type { EngineProgram } from './engine.ts';
import { Engine } from './engine.ts';
import { newFolder } from './files.ts';
import type { KeptProgram } from './kept.ts';
import { evict, keep } from './kept.ts';
import { sampleInputs } from './sample.ts';

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
  readonly program: EngineProgram;
}

const MODEL = 'packed.onnx';
const WEIGHTS = 'packed.bin';

/** Below this a start takes no time that anybody would notice. */
const WORTH_PACKING = 64 * 2 ** 20;

/** The packed file holds the blocks as they are and as the kernels want them. */
const TIMES_LARGER = 2.5;

/** While it is written anew there are two of it. */
const TIMES_WRITTEN = 2;

/** Where the kernels may be given what they have packed: they put it at such places themselves. */
const ALIGNMENT = 64;

/**
 * Starts the packing of a program that has just been kept; it goes on when this process has ended, unless it is
 * awaited. Where it cannot be started, the next start takes what is there.
 */
export const startPacking = async (
  program: Program,
  kept: KeptProgram,
  place: PackPlace & { readonly packing: 'later' | 'awaited' },
): Promise<void> => {
  const { cacheFolder, key, limit, packing } = place;
  const need = kept.byteLength * TIMES_LARGER;
  if (kept.byteLength < WORTH_PACKING || need > limit) return;
  const disk = await statfs(cacheFolder).catch(() => undefined);
  if (!disk || disk.bavail * disk.bsize < 1.2 * TIMES_WRITTEN * need) return;
  const { onnx: _onnx, initializers: _initializers, ...plain } = program;
  const { folder, model, label } = kept;
  const request: PackRequest = { cacheFolder, key, limit, folder, model, label, program: plain };
  const packer = fileURLToPath(builtFile('packer'));
  const child = spawn(process.execPath, [packer, JSON.stringify(request)], { detached: true, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  });
  if (packing === 'awaited') await ended;
  else child.unref();
};

/**
 * Makes the packed form and puts it in the place of the other.
 * @returns whether it gives the same bits and is kept
 */
export const pack = async (request: PackRequest): Promise<boolean> => {
  const { cacheFolder, key, limit, folder, model, label, program } = request;
  const made = await newFolder(cacheFolder);
  try {
    if (dirname(made) !== cacheFolder) return false;
    await writePacked(model, made);
    await align(made);
    const [plain, packed] = [await answer(model, program), await answer(join(made, MODEL), program)];
    if (Buffer.compare(plain, packed) !== 0) return false;
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

const writePacked = async (model: string, folder: string): Promise<void> => {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    optimizedModelFilePath: join(folder, MODEL),
    extra: {
      session: {
        save_external_prepacked_constant_initializers: '1',
        optimized_model_external_initializers_file_name: WEIGHTS,
        optimized_model_external_initializers_min_size_in_bytes: '1024',
      },
    },
  });
  await session.release();
};

/** Puts everything in the packed file where the kernels read it rightly. */
const align = async (folder: string): Promise<void> => {
  const [model, weights] = [join(folder, MODEL), join(folder, WEIGHTS)];
  const moved = alignedPlaces(await readFile(model), ALIGNMENT);
  if (!moved) return;
  await copyMoved(weights, `${weights}.aligned`, moved.moves);
  await rename(`${weights}.aligned`, weights);
  await writeFile(model, moved.onnx);
};

/** Bytes copied at a time. */
const PIECE = 16 * 2 ** 20;

const copyMoved = async (source: string, target: string, moves: readonly Move[]): Promise<void> => {
  const [from, to] = [await open(source, 'r'), await open(target, 'wx')];
  try {
    const buffer = new Uint8Array(PIECE);
    for (const move of moves) {
      for (let done = 0; done < move.byteLength; ) {
        const n = Math.min(PIECE, move.byteLength - done);
        const { bytesRead } = await from.read(buffer, 0, n, move.from + done);
        if (bytesRead === 0) throw new Error(`${source} ends within a weight`);
        await to.write(buffer, 0, bytesRead, move.to + done);
        done += bytesRead;
      }
    }
  } finally {
    await from.close();
    await to.close();
  }
};

/** The bytes of everything that one run of a program gives, its inputs being zeros and waves. */
const answer = async (model: string, program: EngineProgram): Promise<Uint8Array> => {
  const engine = await Engine.open({ model, program, provider: 'cpu', index: 0, threads: 1 });
  try {
    const outputs = await engine.run(sampleInputs(program));
    return Buffer.concat(
      program.outputs.map(({ name }) => {
        const data = outputs[name]?.data;
        return data ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array();
      }),
    );
  } finally {
    await engine.close();
  }
};
