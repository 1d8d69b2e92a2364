/** Options that all commands share, and the choices they stand for. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { parseWish } from '../graph/device/device.ts';
import { onOffAuto } from './arguments.ts';
import type { OptionTable } from './command.ts';

export const sharedOptions = {
  model: { alias: 'm', type: 'string', describe: 'model file (GGUF)', group: 'Model:' },
  device: {
    alias: 'dev',
    type: 'string',
    default: 'auto',
    coerce: parseWish,
    defaultDescription: 'auto',
    describe: 'auto, cpu, cuda[:N], webgpu, dml[:N], coreml',
    group: 'Device:',
  },
  'list-devices': {
    type: 'boolean',
    default: false,
    describe: 'show the devices of this machine and exit',
    group: 'Device:',
  },
  'strict-device': {
    type: 'boolean',
    default: false,
    describe: 'fail rather than run single operations on the CPU',
    group: 'Device:',
  },
  threads: { alias: 't', type: 'number', describe: 'CPU threads (default: physical cores)', group: 'Device:' },
  compute: {
    choices: ['auto', 'f32', 'block'] as const,
    default: 'auto' as const,
    describe: 'f32: exact; block: int8 activations per block; auto: the fastest',
    group: 'Device:',
  },
  'flash-attn': {
    alias: 'fa',
    type: 'string',
    default: 'auto',
    coerce: onOffAuto,
    describe: 'fused kernels: on, off or auto',
    group: 'Device:',
  },
  json: { type: 'boolean', default: false, describe: 'one JSON object on stdout instead of text', group: 'Output:' },
  quiet: { alias: 'q', type: 'boolean', default: false, describe: 'nothing on stderr but errors', group: 'Output:' },
  verbose: {
    alias: 'v',
    type: 'boolean',
    default: false,
    describe: 'more on stderr, stacks of errors',
    group: 'Output:',
  },
} satisfies OptionTable;

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

/** The number of threads to use. Throws a UserError unless it is a positive whole number. */
export const threadCount = (asked: number | undefined): number => {
  if (asked === undefined || asked === -1) return physicalCores();
  if (!Number.isInteger(asked) || asked < 1) throw new UserError('usage', `--threads is ${asked}, expected 1 or more`);
  return asked;
};

/** Where prepared weights go: GRAFO_CACHE, or the system's place for caches. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env, platform = process.platform): string => {
  if (env.GRAFO_CACHE) return env.GRAFO_CACHE;
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'grafo');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'grafo', 'Cache');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'grafo');
};
