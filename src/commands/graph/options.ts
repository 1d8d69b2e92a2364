/** The flags of `grafo graph-dump`. */
import { UserError } from '../../errors.ts';
import type { Parsed } from '../command.ts';
import { optionGroup } from '../command.ts';
import { deviceOptions, modelOptions, reportOptions } from '../options.ts';

/** What a graph may be written as. */
export const formats = ['text', 'dot', 'json', 'mermaid', 'svg', 'png', 'html', 'onnx', 'markdown'] as const;
export type Format = (typeof formats)[number];

const { 'flash-attn': flashAttention } = deviceOptions;
const { quiet, verbose } = reportOptions;

/** The flags of `grafo graph-dump`. */
export const graphOptions = {
  ...optionGroup('Graph', {
    ...modelOptions,
    arch: {
      type: 'string',
      placeholder: 'NAME',
      describe: 'instead of a file: llama, llama-3-8b, ...',
    },
    shape: { type: 'string', placeholder: 'K=V,...', describe: 'of --arch: changes to its metadata, block_count=2' },
    type: { type: 'string', default: 'f16', placeholder: 'NAME', describe: 'of --arch: how matrices are stored' },
    part: { type: 'string', placeholder: 'NAME', describe: 'prefill, decode, a graph of the model, or A+B' },
    mla: { choices: ['absorb', 'expand'] as const, default: 'absorb' as const, describe: "latent attention's cache" },
    tokens: {
      alias: 'n',
      type: 'number',
      whole: true,
      least: 1,
      describe: 'new tokens of a sequence; symbolic if absent',
    },
    past: { type: 'number', whole: true, least: 0, describe: 'positions that are in the cache already' },
    seqs: { type: 'number', whole: true, least: 1, describe: 'sequences, images or windows at once' },
  }),
  ...optionGroup('Stage', {
    stage: {
      choices: ['graph', 'onnx', 'optimized'] as const,
      default: 'graph' as const,
      describe: 'ours, lowered, optimised',
    },
    'flash-attn': { ...flashAttention, describe: 'fused kernels' },
    compute: {
      choices: ['f32', 'block'] as const,
      default: 'block' as const,
      describe: 'weights as numbers or in blocks',
    },
  }),
  ...optionGroup('View', {
    layer: { type: 'number', whole: true, least: 0, describe: 'one layer alone' },
    layers: { type: 'string', coerce: parseLayers, placeholder: 'A-B', describe: 'these layers alone' },
    depth: {
      type: 'string',
      coerce: parseDepth,
      placeholder: 'N',
      describe: '1 or block: layers; 2 or module; op: everything',
    },
    'collapse-repeats': { type: 'boolean', default: false, describe: 'alike layers once, with their number' },
    op: { type: 'string', placeholder: 'GLOB', describe: 'only these operations or tensors: *ffn*' },
    weights: { type: 'boolean', default: true, describe: 'show weights as boxes of their own' },
  }),
  ...optionGroup('Measures', {
    cost: { type: 'boolean', default: false, describe: 'FLOPs, bytes, parameters of a prompt and a token' },
    diff: { type: 'boolean', default: false, describe: 'A B: files, parts or settings; exit 1 if different' },
    compare: { type: 'boolean', default: false, describe: 'A B ...: what models have in common' },
    profile: {
      type: 'boolean',
      default: false,
      describe: 'run it: time and device of each block, or colours',
    },
    device: deviceOptions.device,
    threads: deviceOptions.threads,
    values: { type: 'boolean', default: false, describe: 'run once, print all tensors as llama-eval-callback' },
    prompt: { alias: 'p', type: 'string', placeholder: 'TEXT', describe: 'what --values runs' },
    ids: { type: 'string', placeholder: 'N,...', describe: 'what --values runs, as tokens' },
    input: {
      type: 'string',
      placeholder: 'FILE',
      describe: 'picture or recording of --values (default: zeros)',
    },
    bound: { type: 'boolean', default: false, describe: 'with --cost: the least time, measured' },
    memory: { type: 'boolean', default: false, describe: 'weights, cache, and what lives in between' },
  }),
  ...optionGroup('Output', {
    output: { alias: 'o', type: 'string', placeholder: 'FILE', describe: 'where to write; stdout if absent' },
    format: { choices: formats, placeholder: 'NAME', describe: 'text dot json mermaid svg png html onnx markdown' },
    'with-weights': { type: 'boolean', default: false, describe: 'in onnx; it runs anywhere then' },
    theme: { choices: ['light', 'dark'] as const, default: 'light' as const, describe: 'colours of pictures' },
    scale: { type: 'number', least: 0.1, most: 10, default: 1.5, describe: 'pixels per point of a PNG' },
    quiet,
    verbose,
  }),
} as const;

export type GraphFlags = Parsed<typeof graphOptions>;

/** The layers between two numbers, both included. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

function parseLayers(text: string): LayerRange {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to ?? from) };
  if (from === undefined || range.from > range.to)
    throw new UserError('usage', `--layers '${text}' is no range`, 'give the first and the last: 0-2');
  return range;
}

/** How many steps of a path make a box; Infinity shows every operation. */
function parseDepth(text: string): number {
  const named: Readonly<Record<string, number>> = { block: 1, module: 2, op: Number.POSITIVE_INFINITY };
  const depth = named[text] ?? Number(text);
  if (!(depth >= 1) || (!Number.isInteger(depth) && depth !== Number.POSITIVE_INFINITY))
    throw new UserError('usage', `--depth '${text}' is not block, module, op or a number from 1`);
  return depth;
}
