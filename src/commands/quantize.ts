/** `grafo quantize`: writes a GGUF file again with its matrices rounded to fewer bits. */
import { realpath, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../errors.ts';
import { elements } from '../graph/tensor.ts';
import type { RowRange, StoredTensor, WeightSource } from '../graph/weights.ts';
import type { Encoders } from '../io/gguf/encoders.ts';
import { openEncoders } from '../io/gguf/encoders.ts';
import { fileError } from '../io/gguf/file.ts';
import { readEncodedMetadata } from '../io/gguf/header.ts';
import { findMixture, type Mixture, mixtures, typesOf } from '../io/gguf/mixture.ts';
import type { GgufFile } from '../io/gguf/reader.ts';
import { openGguf } from '../io/gguf/reader.ts';
import { typeOfName } from '../io/gguf/types.ts';
import { type GgufContent, type TensorToWrite, writeGguf } from '../io/gguf/writer.ts';
import type { ModelFile } from '../io/model-file.ts';
import { Interrupted } from '../models/decoder.ts';
import { command, optionGroup } from './command.ts';
import { interruptible } from './interrupts.ts';
import { modelPath, openHeader } from './model-source.ts';
import { deviceOptions, hubOptions, physicalCores, reportOptions } from './options.ts';
import { noticeUnless, progressLine, write } from './terminal.ts';

const options = {
  ...hubOptions,
  ...optionGroup('Quantising', {
    'dry-run': { type: 'boolean', default: false, describe: 'only tell what would be written' },
    pure: { type: 'boolean', default: false, describe: 'the same type for all matrices' },
    threads: deviceOptions.threads,
    quiet: reportOptions.quiet,
  }),
};

/** What TYPE may be, for messages. */
const NAMES = mixtures.map(({ name }) => name).join(' ');

/** `grafo quantize`. */
export const quantizeCommand = command({
  options,
  operands: 'IN OUT TYPE',
  examples: [
    ['grafo quantize model-f16.gguf model-q4.gguf Q4_K_M', "llama-quantize's mixture of types"],
    ['grafo quantize --pure model-f16.gguf model-q8.gguf Q8_0', 'one type for all matrices'],
  ],
  async run({ pure, threads, quiet, 'dry-run': isDry, ...hub }, words) {
    const [from, to, typeName, ...more] = words;
    if (from === undefined || to === undefined || typeName === undefined || more.length > 0)
      throw new UserError('usage', `expected IN OUT TYPE, got ${words.length} words`, 'see grafo quantize --help');
    const mixture = findMixture(typeName);
    if (!mixture) throw new UserError('usage', `unknown type '${typeName}'`, `types are ${NAMES}`);
    const wish = { ...hub, quiet, model: from };
    if (isDry) return dryRun(await openHeader(wish, 'llama', noticeUnless(quiet)), to, mixture, pure);
    const path = await modelPath(wish, 'llama', noticeUnless(quiet));
    return interruptible(async ({ signal }) => {
      const bar = progressLine('quantising', quiet);
      const file = await openGguf(path);
      const encoders = openEncoders(threads ?? physicalCores());
      try {
        await refuseSameFile(file, to);
        const stored = [...file.tensors.values()];
        const types = typesIn(file, mixture, pure);
        const typeOf = (tensor: StoredTensor) => types.get(tensor.name) ?? tensor.type;
        const nValue = stored.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
        let done = 0;
        const written = (n: number): void => {
          done += n;
          bar.update(done, nValue);
        };
        const tensors = stored.map((tensor) => reencoded(tensor, typeOf(tensor), { encoders, signal, written }));
        await writeGguf(to, { ...(await keysFor(mixture, file)), tensors });
        bar.end();
        if (!quiet && stored.some((tensor) => typeOf(tensor) !== tensor.type && !PLAIN.includes(tensor.type)))
          process.stderr.write('weights that were quantised before have not got back what they lost then\n');
        const { size } = await stat(to);
        await write(`${to}: ${mixture.name}, ${size} bytes, ${((8 * size) / nValue).toFixed(2)} bits a weight\n`);
        return 0;
      } finally {
        bar.end();
        await encoders.close();
        await file.close();
      }
    });
  },
});

/**
 * Tells what would be written, from the header alone.
 * @throws UserError 'capacity' where the disk has no room for it
 */
const dryRun = async (file: ModelFile, to: string, mixture: Mixture, isPure: boolean): Promise<number> => {
  try {
    const types = typesIn(file, mixture, isPure);
    const stored = [...file.tensors.values()];
    const nValue = stored.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
    const size = stored.reduce((sum, tensor) => sum + bytesAs(types.get(tensor.name) ?? tensor.type, tensor), 0);
    const { bavail, bsize } = await statfs(dirname(to)).catch((error: unknown) => {
      throw fileError('write', to, error);
    });
    const free = bavail * bsize;
    const bits = ((8 * size) / nValue).toFixed(2);
    await write(
      `${to}: ${mixture.name}, ${size} bytes of weights, ${bits} bits a weight; ${free} bytes are free there\n`,
    );
    if (size > free)
      throw new UserError('capacity', `there is no room for '${to}'`, 'write it to a disk with more room');
    return 0;
  } finally {
    await file.close();
  }
};

/** What a tensor takes in a type. */
const bytesAs = (type: string, tensor: StoredTensor): number => {
  const { blockSize = 1, blockBytes = 0 } = typeOfName(type) ?? {};
  return (elements(tensor.shape) / blockSize) * blockBytes;
};

/** A file cannot be read while it is being replaced. */
const refuseSameFile = async ({ parts }: GgufFile, to: string): Promise<void> => {
  const target = await realpath(to).catch(() => undefined); // most often there is none yet
  for (const part of parts) {
    if ((await realpath(part)) === target) throw new UserError('usage', `'${to}' is the file that is read`);
  }
};

/** Keys that speak of how the source was written. */
const isReplaced = (key: string): boolean =>
  ['general.file_type', 'general.quantization_version', 'general.alignment'].includes(key) || key.startsWith('split.');

/** The keys of a file, but for what the mixture says itself. */
const keysFor = async (mixture: Mixture, { parts }: GgufFile): Promise<Pick<GgufContent, 'metadata' | 'encoded'>> => {
  const encoded = await readEncodedMetadata(parts[0] ?? '');
  return {
    metadata: {
      'general.quantization_version': { type: 'u32', value: 2 },
      'general.file_type': { type: 'u32', value: mixture.fileType },
    },
    encoded: [...encoded].filter(([key]) => !isReplaced(key)).map(([, bytes]) => bytes),
  };
};

/** The type each tensor of a file gets. */
const typesIn = (
  { metadata, tensors }: WeightSource,
  mixture: Mixture,
  isPure: boolean,
): ReadonlyMap<string, string> => {
  const arch = metadata.get('general.architecture');
  return typesOf([...tensors.values()], mixture, {
    isPure,
    nExpert: Number(metadata.get(`${arch}.expert_count`) ?? 0),
  });
};

interface Encoding {
  readonly encoders: Encoders;
  readonly signal: AbortSignal;
  /** Called with the number of values that were written. */
  written(nValue: number): void;
}

/** A tensor whose bytes are made while they are written. */
const reencoded = (tensor: StoredTensor, type: string, { encoders, signal, written }: Encoding): TensorToWrite => ({
  name: tensor.name,
  type,
  shape: tensor.shape,
  async read(rows: RowRange = { from: 0, to: rowsOf(tensor) }) {
    if (signal.aborted) throw new Interrupted();
    const nIn = tensor.shape.at(-1) ?? 1;
    const bytes =
      type === tensor.type ? await tensor.read(rows) : await encoders.encode(type, await tensor.decode(rows), nIn);
    written((rows.to - rows.from) * nIn);
    return bytes;
  },
});

const rowsOf = ({ shape }: StoredTensor): number => elements(shape.slice(0, -1));

const PLAIN = ['f32', 'f16', 'bf16'];
