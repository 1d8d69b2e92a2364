/** The flags of `grafo bench`, with llama-bench's names where they mean the same. */
import { UserError } from '../../errors.ts';
import type { Activations } from '../../graph/device/device.ts';
import { parseWish } from '../../graph/device/device.ts';
import type { Compute } from '../../graph/lower/target.ts';
import { onOffAuto } from '../arguments.ts';
import type { Parsed } from '../command.ts';
import { optionGroup } from '../command.ts';
import { deviceOptions, hubOptions, physicalCores, reportOptions } from '../options.ts';
import type { Lists } from './cases.ts';
import { promptsAndTokens, wholeNumbers, words } from './lists.ts';
import type { ExtraColumn } from './print.ts';
import { formats } from './print.ts';

const list = (alias: readonly string[], describe: string, defaultDescription?: string) =>
  ({
    alias: [...alias],
    type: 'string',
    array: true,
    default: [] as string[],
    placeholder: 'LIST',
    describe,
    ...(defaultDescription !== undefined && { defaultDescription }),
  }) as const;

const { 'list-devices': listDevices, 'strict-device': strictDevice } = deviceOptions;
const { quiet, verbose } = reportOptions;

/** The flags of `grafo bench`. */
export const benchOptions = {
  ...optionGroup('What', {
    model: {
      alias: 'm',
      type: 'string',
      array: true,
      default: [] as string[],
      placeholder: 'FILE',
      describe: 'any model, or hf:USER/REPO (may be repeated)',
    },
    shape: {
      type: 'string',
      array: true,
      default: [] as string[],
      placeholder: 'NAME:TYPE',
      describe: 'random weights: llama-2-7b:q4_0@4layers',
    },
    'n-prompt': list(['p'], 'prompts of so many tokens', '512'),
    'n-gen': list(['n'], 'so many tokens one by one', '128'),
    pg: {
      type: 'string',
      array: true,
      default: [] as string[],
      placeholder: 'PP,TG',
      describe: 'a prompt, and tokens after it (may be repeated)',
    },
    'n-depth': list(['d'], 'after so many tokens', '0'),
    'n-images': list(['ni'], 'images in one run', '1'),
    file: list(['f'], 'whisper: recordings, for their real-time factor'),
    ...hubOptions,
  }),
  ...optionGroup('How', {
    'batch-size': list(['b'], 'the most for -ub', '2048'),
    'ubatch-size': list(['ub'], 'tokens in one run', 'by device'),
    threads: list(['t'], 'CPU threads', 'physical cores'),
    device: list(['dev'], 'cpu cuda[:N] webgpu dml[:N] coreml', 'auto'),
    'n-gpu-layers': { alias: 'ngl', type: 'string', placeholder: 'N', describe: '0: the CPU; else all on one device' },
    compute: list([], 'auto, f32, block or int8', 'auto'),
    'flash-attn': list(['fa'], 'fused kernels: on, off, auto', 'auto'),
    'cache-type-k': list(['ctk'], 'and activations: auto, f32, f16', 'auto'),
    'cache-type-v': list(['ctv'], 'the same, like -ctk', 'auto'),
    'strict-device': strictDevice,
    'list-devices': listDevices,
    repetitions: { alias: 'r', type: 'number', whole: true, least: 1, default: 5, describe: 'of each test' },
    warmup: { type: 'boolean', default: true, describe: 'one more before them, not counted' },
    'warm-load': { type: 'boolean', default: false, describe: 'also time a start from kept weights' },
    roofline: { type: 'boolean', default: true, describe: 'what each device can do at most' },
  }),
  ...optionGroup('Report', {
    output: {
      alias: 'o',
      choices: formats,
      default: 'md' as const,
      placeholder: 'FORM',
      describe: 'md, brief, csv, json, jsonl or sql',
    },
    'output-err': { alias: 'oe', choices: formats, placeholder: 'FORM', describe: 'the same on stderr' },
    compare: { type: 'string', placeholder: 'FILE', describe: 'with earlier results (jsonl or json)' },
    threshold: { type: 'number', least: 0, default: 5, describe: 'percent slower: exit 1' },
    history: { type: 'string', placeholder: 'FILE', describe: 'append the results to a jsonl file' },
    plot: { type: 'string', placeholder: 'FILE', describe: 'bars with their spread: out.svg or out.png' },
    quiet,
    verbose,
  }),
};

export type BenchFlags = Parsed<typeof benchOptions>;

const DEFAULTS = { nPrompt: 512, nGen: 128, nBatch: 2048 };

const computes: readonly ('auto' | Compute)[] = ['auto', 'f32', 'block', 'int8'];
const activations: readonly Activations[] = ['auto', 'f32', 'f16'];

const oneOf =
  <W extends string>(flag: string, known: readonly W[]) =>
  (text: string): W => {
    const word = known.find((w) => w === text);
    if (word) return word;
    throw new UserError('usage', `flag '${flag}' is '${text}', expected ${known.join(', ')}`);
  };

const or = <T>(values: readonly T[], otherwise: readonly T[]): readonly T[] => (values.length > 0 ? values : otherwise);

/**
 * What the flags list.
 * @throws UserError 'usage' for a value that is none
 */
export const listsOf = (flags: BenchFlags): Lists => {
  const keys = words(flags['cache-type-k'], oneOf('-ctk', activations));
  const values = words(flags['cache-type-v'], oneOf('-ctv', activations));
  if (keys.length > 0 && values.length > 0 && keys.join() !== values.join())
    throw new UserError('usage', `-ctk ${keys.join()} and -ctv ${values.join()}: keys and values have one type here`);
  const onCpu = flags['n-gpu-layers'] === '0';
  return {
    devices: onCpu ? [parseWish('cpu')] : or(words(flags.device, parseWish), [{ kind: 'auto' }]),
    threads: or(wholeNumbers('-t', flags.threads, 1), [physicalCores()]),
    computes: or(words(flags.compute, oneOf('--compute', computes)), ['auto']),
    flashAttention: or(words(flags['flash-attn'], onOffAuto), ['auto']),
    // The cache is of what is computed.
    activations: or(keys.length > 0 ? keys : values, ['auto']),
    nPrompt: or(wholeNumbers('-p', flags['n-prompt'], 0), [DEFAULTS.nPrompt]),
    nGen: or(wholeNumbers('-n', flags['n-gen'], 0), [DEFAULTS.nGen]),
    promptsAndTokens: promptsAndTokens(flags.pg),
    nDepth: or(wholeNumbers('-d', flags['n-depth'], 0), [0]),
    nBatch: or(wholeNumbers('-b', flags['batch-size'], 1), [DEFAULTS.nBatch]),
    nRun: wholeNumbers('-ub', flags['ubatch-size'], 1),
    nImage: or(wholeNumbers('-ni', flags['n-images'], 1), [1]),
    recordings: flags.file,
  };
};

/** llama-bench's rule: a column for what is not at its default. */
export const extraColumns = (flags: BenchFlags): ReadonlySet<ExtraColumn> => {
  const asked: readonly (readonly [ExtraColumn, readonly string[]])[] = [
    ['n_batch', flags['batch-size']],
    ['n_ubatch', flags['ubatch-size']],
    ['type_k', flags['cache-type-k']],
    ['type_v', flags['cache-type-v']],
    ['flash_attn', flags['flash-attn']],
    ['compute', flags.compute],
    ['device', flags.device],
  ];
  return new Set(asked.flatMap(([name, values]) => (values.length > 0 ? [name] : [])));
};
