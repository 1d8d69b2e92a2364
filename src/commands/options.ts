/** Options that commands share, and the choices they stand for. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { parseWish } from '../graph/device/device.ts';
import { onOffAuto } from './arguments.ts';
import { optionGroup } from './command.ts';
import { parseShard } from './share.ts';

/** How models come from the hub. */
export const hubOptions = optionGroup('Model', {
  'hf-token': { alias: 'hft', type: 'string', placeholder: 'TOKEN', describe: 'who asks (default: HF_TOKEN)' },
  offline: { type: 'boolean', default: false, describe: 'ask no hub: only what is in the cache' },
});

/** Which model. */
export const modelOptions = optionGroup('Model', {
  model: { alias: 'm', type: 'string', placeholder: 'FILE', describe: 'GGUF file, or hf:USER/REPO[:QUANT|/FILE]' },
  'hf-repo': {
    alias: ['hf', 'hfr'],
    type: 'string',
    placeholder: 'REPO',
    describe: 'of Hugging Face: USER/NAME[:QUANT]',
  },
  'hf-file': { alias: 'hff', type: 'string', placeholder: 'FILE', describe: 'this file of --hf-repo' },
  ...hubOptions,
});

/** What of many files is worked on. */
export const shareOptions = {
  'skip-existing': { type: 'boolean', default: false, describe: 'leave out inputs whose files are there' },
  shard: {
    type: 'string',
    coerce: parseShard,
    placeholder: 'I/N',
    describe: 'the share I of N processes; the first is 0',
  },
} as const;

/** Where and how a model runs. */
export const deviceOptions = optionGroup('Device', {
  device: {
    alias: 'dev',
    type: 'string',
    default: 'auto',
    coerce: parseWish,
    placeholder: 'NAME',
    describe: 'cpu cuda[:N] webgpu dml[:N] coreml',
  },
  'list-devices': { type: 'boolean', default: false, describe: 'show what this machine can run on, and exit' },
  'strict-device': { type: 'boolean', default: false, describe: 'never run single operations on the CPU instead' },
  threads: { alias: 't', type: 'number', whole: true, least: 1, describe: 'CPU threads (default: physical cores)' },
  compute: {
    choices: ['auto', 'f32', 'block', 'int8'] as const,
    default: 'auto' as const,
    describe: "exact, llama.cpp's, fast prompts",
  },
  activations: {
    choices: ['auto', 'f32', 'f16'] as const,
    default: 'auto' as const,
    describe: 'f16 where a GPU has it',
  },
  cache: { type: 'boolean', default: true, describe: 'keep prepared weights (see grafo cache)' },
  'flash-attn': { alias: 'fa', type: 'string', default: 'auto', coerce: onOffAuto, describe: 'fused kernels' },
});

/** What is told, and how. */
export const reportOptions = optionGroup('Report', {
  json: { type: 'boolean', default: false, describe: 'one JSON object on stdout instead of text' },
  quiet: { alias: 'q', type: 'boolean', default: false, describe: 'nothing on stderr but errors' },
  verbose: { alias: 'v', type: 'boolean', default: false, describe: 'more on stderr, and stacks of errors' },
  perf: { type: 'boolean', default: false, describe: 'timings as a table' },
  'dry-run': { type: 'boolean', default: false, describe: 'only tell what memory it takes' },
});

/** Cores that are not another one's second thread; what a product of matrices can use. */
export const physicalCores = (): number => {
  const allowed = availableParallelism();
  if (process.platform !== 'linux') return process.arch === 'x64' ? Math.max(1, Math.floor(allowed / 2)) : allowed;
  const siblings = new Set<string>();
  for (let cpu = 0; ; cpu++) {
    const file = `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`;
    if (!existsSync(file)) break;
    siblings.add(readFileSync(file, 'utf8').trim());
  }
  return Math.min(allowed, siblings.size || allowed);
};

/** Where prepared weights go: GRAFO_CACHE, or the system's place for caches. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env, platform = process.platform): string => {
  if (env.GRAFO_CACHE) return env.GRAFO_CACHE;
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'grafo');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'grafo', 'Cache');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'grafo');
};

const GIB = 2 ** 30;

/**
 * Bytes that kept weights may take: GRAFO_CACHE_LIMIT in GiB, 32 if absent.
 * @throws UserError 'usage' for anything but a number
 */
export const cacheLimit = (env: NodeJS.ProcessEnv = process.env): number => {
  const text = env.GRAFO_CACHE_LIMIT || '32';
  const limit = Number(text);
  if (!(limit >= 0)) throw new UserError('usage', `GRAFO_CACHE_LIMIT is '${text}', expected a number of GiB`);
  return limit * GIB;
};
