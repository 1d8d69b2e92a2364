/**
 * An encoder from outside: an ONNX file that takes a spectrogram and gives what the decoder listens to, such as
 * `encoder_model.onnx` in Hugging Face's exports, or what `grafo graph-dump --part conv+encoder --with-weights` writes.
 */
import { readFile } from 'node:fs/promises';
import { messageOf, UserError } from '../../errors.ts';
import { runtimeCause } from '../../graph/device/cause.ts';
import type { Device } from '../../graph/device/device.ts';
import type { HostTensor } from '../../graph/device/engine.ts';
import type { OnnxSession } from '../../graph/device/session.ts';
import { openOnnxFile } from '../../graph/device/session.ts';
import type { OnnxOutline, OutlineValue } from '../../graph/lower/onnx-read.ts';
import { readOnnx } from '../../graph/lower/onnx-read.ts';
import { showShape } from '../../graph/tensor.ts';
import { fileError } from '../../io/gguf/file.ts';
import type { Encode } from '../../models/transcribe/speech-model.ts';
import type { WhisperHparams } from '../../models/whisper.ts';

export interface Encoder {
  readonly session: OnnxSession;
  readonly encode: Encode;
}

/**
 * Opens it, whatever it calls its input and its output.
 * @throws UserError 'file' or 'model' for what is no encoder of this model's shape
 */
export const openEncoder = async (
  path: string,
  { nMels, audio: { nCtx, nEmbd } }: WhisperHparams,
  device: Device,
  options: { readonly threads: number; readonly strict: boolean },
): Promise<Encoder> => {
  const [taken, given] = [
    [1, nMels, 2 * nCtx],
    [1, nCtx, nEmbd],
  ] as const;
  const { input, output } = await endsOf(path);
  expectFloats(path, 'takes', input, taken);
  expectFloats(path, 'gives', output, given);
  const session = await openOnnxFile(
    {
      path,
      inputs: [{ name: input.name, dtype: 'f32', shape: taken }],
      outputs: [{ name: output.name, dtype: 'f32', shape: given }],
    },
    device,
    options,
  );
  const encode: Encode = async ({ mel }) => {
    const { [output.name]: heard } = await session.run({ [input.name]: mel as HostTensor }).catch((error: unknown) => {
      throw new UserError('model', `'${path}' does not run: ${runtimeCause(messageOf(error))}`);
    });
    if (heard?.dims.join() !== given.join())
      throw new UserError(
        'model',
        `'${path}' gives ${showShape(heard?.dims ?? [])}, the model's decoder listens to ${showShape(given)}`,
      );
    return { embd_enc: heard };
  };
  return { session, encode };
};

/**
 * Bytes of its weights, as the runtime holds them: those in the file, and those in files beside it.
 * @throws UserError 'file' or 'model' for what is no ONNX file
 */
export const encoderBytes = async (path: string): Promise<number> =>
  (await readOutline(path)).initializers.reduce(
    (sum, { dtype, dims }) => sum + dims.reduce((a, b) => a * b, BYTES[dtype] ?? 1),
    0,
  );

/** Of one value, in ONNX's words; 1 for all others, which are 8 bits or fewer. */
const BYTES: Readonly<Record<string, number>> = { double: 8, int64: 8, float: 4, int32: 4, float16: 2, bfloat16: 2 };

/** What it takes and gives: one thing each; further outputs, such as those of single layers, are nothing to us. */
const endsOf = async (path: string): Promise<Readonly<Record<'input' | 'output', OutlineValue>>> => {
  const { inputs, outputs, initializers } = await readOutline(path);
  // Old exporters name weights among the inputs.
  const weights = new Set(initializers.map(({ name }) => name));
  const [input, ...more] = inputs.filter(({ name }) => !weights.has(name));
  const [output] = outputs;
  if (input === undefined || output === undefined || more.length > 0)
    throw new UserError(
      'model',
      `'${path}' is no encoder: it takes ${inputs.map(({ name }) => name).join(', ') || 'nothing'}`,
      'an encoder takes a spectrogram alone',
    );
  return { input, output };
};

const readOutline = async (path: string): Promise<OnnxOutline> => {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  try {
    return readOnnx(bytes);
  } catch {
    throw new UserError('model', `'${path}' is no ONNX file`, '--encoder takes an encoder as ONNX, with its weights');
  }
};

/** Dimensions that the file leaves open fit any. */
const expectFloats = (
  path: string,
  verb: 'takes' | 'gives',
  { dtype, shape }: OutlineValue,
  expected: readonly number[],
): void => {
  const what = shape ? showShape(shape.map((dim) => dim || '?')) : '';
  if (dtype !== 'float')
    throw new UserError('model', `'${path}' ${verb} ${dtype}, the model needs an encoder of float`);
  const fits = shape?.every((dim, i) => typeof dim === 'string' || dim === expected[i]) ?? true;
  if (!fits || (shape && shape.length !== expected.length))
    throw new UserError('model', `'${path}' ${verb} ${what}, the model needs an encoder of ${showShape(expected)}`);
};
