/** The machine that results are from, and what else it does while it is measured. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import si from 'systeminformation';
import { isRunning } from '../../graph/device/files.ts';
import { runtimeVersion } from '../../graph/device/list.ts';
import { cacheFolder } from '../options.ts';

/** The fields of a record that are the same for all. */
export interface Machine {
  readonly grafo_version: string;
  readonly onnxruntime_version: string;
  readonly node_version: string;
  readonly cpu_info: string;
  readonly cpu_features: string;
  readonly gpu_info: string;
  readonly gpu_driver: string;
}

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

/** Of a processor's features, those that the runtime chooses its kernels by. */
const FEATURE = /^(avx.*|amx.*|fma|f16c|sse4.*|neon|asimd.*|sve.*|i8mm|bf16)$/;

/** Asks the system; takes a second or two where it has to start other programs. */
export const describeMachine = async (): Promise<Machine> => {
  const [flags, graphics] = await Promise.all([si.cpuFlags(), si.graphics()]);
  const cards = graphics.controllers.filter(({ model }) => model !== '');
  return {
    grafo_version: version,
    onnxruntime_version: runtimeVersion,
    node_version: process.versions.node,
    cpu_info: cpus()[0]?.model.trim() ?? '',
    cpu_features: flags
      .split(/\s+/)
      .filter((flag) => FEATURE.test(flag))
      .join(' '),
    gpu_info: cards.map(({ model }) => model).join(', '),
    gpu_driver: cards.flatMap(({ driverVersion }) => driverVersion ?? []).join(', '),
  };
};

/** The most memory that this process has held since `forgetPeak`, where the system can forget, else since it began. */
export const peakBytes = (): number => {
  if (process.platform === 'linux') {
    const kib = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kib !== undefined) return 1024 * Number(kib);
  }
  return 1024 * process.resourceUsage().maxRSS;
};

/** Linux begins a new peak when this is written to it (proc(5)). */
const FORGET_PEAK = '5';

/** Begins to measure the process's peak of memory anew, where the system can. */
export const forgetPeak = (): void => {
  try {
    if (process.platform === 'linux') writeFileSync('/proc/self/clear_refs', FORGET_PEAK);
  } catch {
    // Not allowed in some containers: then the peak is that of all models so far.
  }
};

/** Bytes in use on an NVIDIA card; undefined where there is none, or no program that tells. */
export const usedDeviceBytes = async (): Promise<number | undefined> => {
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', [
      '--query-gpu=memory.used',
      '--format=csv,noheader,nounits',
    ]);
    const mib = Number(stdout.split('\n')[0]);
    return Number.isFinite(mib) ? mib * 2 ** 20 : undefined;
  } catch {
    return undefined;
  }
};

/** Processor time of everybody and of this process so far, in milliseconds. */
interface Work {
  readonly all: number;
  readonly own: number;
  readonly at: number;
}

const workSoFar = (): Work => {
  const all = cpus().reduce((ms, { times }) => ms + times.user + times.nice + times.sys + times.irq, 0);
  const { user, system } = process.cpuUsage();
  return { all, own: (user + system) / 1e3, at: performance.now() };
};

/** Watches what others do with the processor; the function it gives says their share of it, from 0 to 1. */
export const watchOthers = (): (() => number) => {
  const before = workSoFar();
  return () => {
    const now = workSoFar();
    const others = now.all - before.all - (now.own - before.own);
    return Math.min(1, Math.max(0, others / ((now.at - before.at) * cpus().length)));
  };
};

/** What speaks against measuring now, in words; empty where nothing does. */
export const loadBefore = (): string => {
  const [load = 0] = loadavg(); // zeros on Windows
  return load > availableParallelism() / 2 ? `load average ${load.toFixed(1)} before the start` : '';
};

/** A mark that a benchmark runs, until it is given back; `isTaken`: another process has one. */
export interface Mark {
  readonly isTaken: boolean;
  release(): Promise<void>;
}

const MARK = /^bench-(\d+)$/;

/** Where nothing can be written, nobody leaves a mark: that is no reason not to measure. */
const UNMARKED: Mark = { isTaken: false, release: async () => undefined };

/** Every benchmark leaves a mark with the number of its process; those of processes that have died count for nothing. */
export const markRunning = async (folder = cacheFolder(), pid = process.pid): Promise<Mark> => {
  const path = join(folder, `bench-${pid}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path, '');
  } catch {
    return UNMARKED;
  }
  const others = (await readdir(folder)).flatMap((name) => MARK.exec(name)?.[1] ?? []).map(Number);
  const isTaken = others.some((other) => other !== pid && isRunning(other));
  for (const other of others) if (!isRunning(other)) await rm(join(folder, `bench-${other}`), { force: true });
  return { isTaken, release: () => rm(path, { force: true }) };
};
