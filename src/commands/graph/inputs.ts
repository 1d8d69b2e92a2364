/**
 * What `--values` runs a part on: the tokens of a text, a picture, a recording, what the model's other graphs make of
 * them (an output of one is the input of the same name of another), or zeros.
 */
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { HostTensor, Inputs } from '../../graph/device/engine.ts';
import { openSession } from '../../graph/device/session.ts';
import type { Graph } from '../../graph/graph.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { Sizes, Tensor } from '../../graph/tensor.ts';
import { elements, resolve } from '../../graph/tensor.ts';
import type { WeightSource } from '../../graph/weights.ts';
import { melBank } from '../../io/audio/mel.ts';
import { openRecording } from '../../io/audio/recording.ts';
import { decodeImage } from '../../io/image/decode.ts';
import { normalise, toSquare } from '../../io/image/preprocess.ts';
import { readTokenizer } from '../../io/text/tokenizer.ts';
import { readWhisperWords } from '../../io/text/whisper-words.ts';
import { anyModel } from '../../models/index.ts';
import { specialTokens } from '../../models/transcribe/special-tokens.ts';
import { findDevice } from '../devices.ts';
import { archOf } from '../family.ts';
import { cacheFolder, physicalCores } from '../options.ts';
import { onProcessor } from '../placement.ts';
import { recipeFor } from '../vit/preprocessing.ts';
import { melFilters } from '../whisper/open.ts';
import { openSound } from '../whisper/sound.ts';
import type { GraphFlags } from './options.ts';

export type InputFlags = Partial<Pick<GraphFlags, 'prompt' | 'ids' | 'input'>>;

/**
 * All inputs of a graph of this model.
 * @throws UserError 'usage' where it needs a text and none is given, 'file' for a picture or recording that cannot be read
 */
export const inputsFor = async (source: WeightSource, graph: Graph, flags: InputFlags): Promise<Inputs> => {
  const given: Record<string, HostTensor> = {};
  const nodes = graph.nodes.filter(({ op }) => op.name === 'input');
  if (nodes.some(({ name }) => name === 'tokens')) Object.assign(given, tokenInputs(idsOf(source, flags)));
  if (flags.input !== undefined && nodes.every(({ name }) => name in given))
    throw new UserError('usage', `part '${graph.name}' takes only tokens`, 'give a text with -p instead of --input');
  for (const node of nodes) {
    if (!(node.name in given)) Object.assign(given, await inputOf(source, graph, node, flags));
  }
  return Object.fromEntries(nodes.map(({ name }) => [name, given[name] as HostTensor]));
};

/** Tokens of one sequence from its beginning, all of whose logits are wanted. */
export const tokenInputs = (ids: readonly number[]): Inputs => {
  const row = (values: Iterable<number>, dims: readonly number[]): HostTensor => ({
    dtype: 'i64',
    dims,
    data: BigInt64Array.from(values, BigInt),
  });
  const n = ids.length;
  return { tokens: row(ids, [1, n]), pos: row(ids.keys(), [1, n]), outIds: row(ids.keys(), [n]) };
};

/** One run in float32 by our operations' own forms, on the CPU. */
export const runOnce = async (graph: Graph, inputs: Inputs): Promise<Readonly<Record<string, HostTensor>>> => {
  const nCtx = inputs.tokens?.dims[1] ?? 1;
  const program = lower(graph, { provider: 'cpu', compute: 'f32', fused: false }, { nCtx, B: 1 });
  const { device } = await findDevice(onProcessor, 0);
  const session = await openSession(program, device, { threads: physicalCores(), cacheFolder: cacheFolder() });
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
};

/** One sequence, image or window. */
const ONE: Sizes = { B: 1, W: 1 };

/** An input that is no text, and whatever else is found out with it. */
const inputOf = async (source: WeightSource, graph: Graph, node: Tensor, { input, ...flags }: InputFlags) => {
  const dims = resolve(node.shape, ONE);
  const float = (data: Float32Array): Inputs => ({ [node.name]: { dtype: 'f32', dims, data } });
  if (input === undefined) return float(new Float32Array(elements(dims)));
  if (node.name === 'image') return float(await pictureOf(source, input, dims));
  if (node.name === 'mel') return float(await spectrogramOf(source, input, dims));
  const earlier = graphsOf(source).find(
    (other) => other.name !== graph.name && other.outputs.some(({ name }) => name === node.name),
  );
  if (!earlier) throw new UserError('usage', `part '${graph.name}' hears and sees nothing`, '--input is for others');
  return runOnce(earlier, await inputsFor(source, earlier, { ...flags, input }));
};

const graphsOf = (source: WeightSource): readonly Graph[] =>
  Object.entries(anyModel(archOf(source.metadata)).open(source).graphs).map(([name, build]) => {
    const g = new GraphBuilder(name);
    build(g);
    return g.build();
  });

const pictureOf = async (source: WeightSource, path: string, dims: readonly number[]): Promise<Float32Array> => {
  const side = dims.at(-1) ?? 0;
  const recipe = recipeFor({}, source.metadata, side);
  const data = new Float32Array(elements(dims));
  normalise(
    toSquare(await decodeImage({ name: path, input: path }, { ...recipe, side }), side, recipe),
    recipe,
    data,
    0,
  );
  return data;
};

/** Of a recording's first window. */
const spectrogramOf = async (source: WeightSource, path: string, dims: readonly number[]): Promise<Float32Array> => {
  const [, nMels = 0, nFrame = 0] = dims;
  const recording = await openRecording(path);
  try {
    const sound = await openSound(recording.mono, melBank(melFilters(source.metadata, nMels), nMels));
    try {
      return await sound.mel(0, nFrame);
    } finally {
      await sound.close();
    }
  } finally {
    await recording.close();
  }
};

/** The tokens to run: numbers, or a text in the model's own; Whisper's begin with the one that begins every text. */
const idsOf = (source: WeightSource, { ids, prompt }: InputFlags): readonly number[] => {
  if (ids !== undefined) {
    const list = ids.split(',').map(Number);
    if (!list.every((id) => Number.isSafeInteger(id) && id >= 0))
      throw new UserError('usage', `--ids '${ids}' are no numbers`);
    return list;
  }
  if (archOf(source.metadata) === 'whisper') {
    const { startOfTranscript } = specialTokens(Number(source.metadata.get('whisper.vocab_size')));
    return [startOfTranscript, ...(prompt === undefined ? [] : readWhisperWords(source.metadata).encode(prompt))];
  }
  if (prompt === undefined) throw new UserError('usage', '--values needs a text', 'give one with -p, or --ids 1,2,3');
  return readTokenizer(source.metadata).encode(prompt);
};
