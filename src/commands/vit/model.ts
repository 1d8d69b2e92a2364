/** An image model's file, opened: read, built, lowered and loaded on the chosen device. */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Activations, Device } from '../../graph/device/device.ts';
import { attendsWidely, deviceId, targetOn } from '../../graph/device/device.ts';
import { multipliesInt8 } from '../../graph/device/int8.ts';
import { openSession } from '../../graph/device/session.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { Compute } from '../../graph/lower/target.ts';
import type { MetadataValue, WeightSource } from '../../graph/weights.ts';
import { openVit } from '../../io/vit/open.ts';
import type { Classifier } from '../../models/classifier.ts';
import { createClassifier } from '../../models/classifier.ts';
import { readModel } from '../../models/definition.ts';
import type { VitHparams } from '../../models/vit.ts';
import { vit } from '../../models/vit.ts';
import { findDevice, noticeFallbacks } from '../devices.ts';
import { expectFamily } from '../family.ts';
import { keepingOf } from '../keeping.ts';
import type { MemoryPlan } from '../memory.ts';
import { expectFit, needOf } from '../memory.ts';
import { cacheFolder } from '../options.ts';
import type { PlacementOptions } from '../placement.ts';
import { runSizes } from '../run-sizes.ts';

export interface OpenVitOptions extends PlacementOptions {
  /** Side of the images, where it is not the one the model was trained on. */
  readonly imageSize?: number;
  /** Images in one run at most. */
  readonly batchSize: number;
  /** Whether answers tell where the model looked. */
  readonly looks: boolean;
}

export interface ImageModel {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly classifier: Classifier;
  readonly nClass: number;
  /** Tokens before the patches, and all tokens. */
  readonly nPrefix: number;
  readonly nToken: number;
  readonly device: Device;
  readonly threads: number;
  readonly compute: Compute;
  readonly loadMs: number;
  close(): Promise<void>;
}

/** An image model as it would run: all that opening it comes to before weights are read. */
const planImages = async (file: WeightSource, name: string, options: OpenVitOptions) => {
  const { h, w } = readVit(name, sized(file, options.imageSize));
  const g = new GraphBuilder('vit');
  vit.graphs[options.looks ? 'look' : 'classify'](g, { h, w });
  const graph = g.build();
  const weightBytes = [...file.tensors.values()].reduce((sum, t) => sum + t.byteLength, 0);
  const { device, why } = await findDevice(options.wish, weightBytes);
  const compute = options.compute === 'auto' ? await imageCompute(device, options.activations, h) : options.compute;
  if (compute === 'int8' && device.provider !== 'cpu')
    throw new UserError('device', `compute int8 does not run on ${deviceId(device)}`, 'use --device cpu with it');
  const fused = options.fused && attendsWidely(device);
  const program = lower(graph, targetOn(device, { ...options, compute, fused }), {});
  const sizes = runSizes(graph, { tokens: 1, past: 0, seqs: options.batchSize });
  const images = options.batchSize === 1 ? 'image' : 'images';
  const setting = `compute ${compute}, ${options.batchSize} ${images} of ${h.imageSize} pixels at once`;
  const memory: MemoryPlan = { name: basename(name), device, setting, need: needOf([{ graph, program, sizes }]) };
  return { h, w, device, why, compute, program, memory };
};

/** What an image model would take of memory, from its header alone. Throws UserErrors as opening it does. */
export const imageMemory = async (file: WeightSource, name: string, options: OpenVitOptions): Promise<MemoryPlan> =>
  (await planImages(file, name, options)).memory;

/** Opens an image model. Throws UserErrors that name what is wrong with the file, the device or the memory. */
export const openImageModel = async (path: string, options: OpenVitOptions): Promise<ImageModel> => {
  const start = performance.now();
  const file = await openVit(path);
  try {
    const { h, w, device, why, compute, program, memory } = await planImages(file, path, options);
    expectFit(memory, options.notice);
    const isFile = statSync(path).isFile(); // a folder of several is read anew each time
    const keeping = options.cache && isFile ? await keepingOf(path, [path], options.notice) : undefined;
    const session = await openSession(program, device, {
      threads: options.threads,
      cacheFolder: cacheFolder(),
      strict: options.strictDevice,
      ...(keeping && { keeping }),
      ...(options.progress && { progress: options.progress }),
    });
    const where = device.provider === 'cpu' ? `${device.name}, using ${options.threads}` : device.name;
    options.notice(`${deviceId(device)} (${where}): ${why}; compute ${compute}, images of ${h.imageSize} pixels`);
    noticeFallbacks(device, [session], options.notice);
    return {
      metadata: file.metadata,
      classifier: createClassifier(session, h.imageSize),
      nClass: h.nClass,
      nPrefix: w.nToken,
      nToken: w.nToken + (h.imageSize / h.patchSize) ** 2,
      device,
      threads: options.threads,
      compute,
      loadMs: performance.now() - start,
      close: () => session.close(),
    };
  } finally {
    await file.close();
  }
};

/** From this width on, products of 8-bit integers take half of float32's time; narrower ones gain little. */
const INT8_WIDTH = 384;

/**
 * What 'auto' stands for: the fastest that gives the same names. On cards that compute in float16 that is what they are
 * fast in; on processors integers, where the model is wide enough and the kernels are right; exact otherwise.
 */
export const imageCompute = async (
  { provider, hasHalves = false }: Device,
  activations: Activations,
  { nEmbd }: Pick<VitHparams, 'nEmbd'>,
): Promise<Compute> => {
  if (hasHalves && activations !== 'f32') return 'block';
  return provider === 'cpu' && nEmbd >= INT8_WIDTH && (await multipliesInt8()) ? 'int8' : 'f32';
};

/** Hyperparameters and weights of a source that says it is a ViT. */
export const readVit = (path: string, source: WeightSource) => {
  expectFamily(source.metadata, path, 'vit');
  return readModel(vit, source);
};

/**
 * The source for images of another size; positions are then interpolated.
 * @throws UserError 'usage' for a size that patches do not fill
 */
const sized = (file: WeightSource, imageSize: number | undefined): WeightSource => {
  if (imageSize === undefined) return file;
  const patchSize = Number(file.metadata.get('vit.patch_size'));
  if (imageSize % patchSize !== 0)
    throw new UserError(
      'usage',
      `--img-size is ${imageSize}, expected a multiple of ${patchSize}, the side of this model's patches`,
    );
  return { tensors: file.tensors, metadata: new Map([...file.metadata, ['vit.input_size', imageSize]]) };
};
