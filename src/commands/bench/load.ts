/** Graphs of a model as sessions on a device, and what that took. */
import { rm } from 'node:fs/promises';
import type { Device } from '../../graph/device/device.ts';
import { targetOn } from '../../graph/device/device.ts';
import { newFolder } from '../../graph/device/files.ts';
import type { Session, SessionOptions } from '../../graph/device/session.ts';
import { openSession } from '../../graph/device/session.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Program } from '../../graph/lower/lower.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { Compute } from '../../graph/lower/target.ts';
import type { Sizes } from '../../graph/tensor.ts';
import { sized } from '../../graph/tensor.ts';
import { noticeFallbacks } from '../devices.ts';
import { openAll } from '../open-all.ts';
import { cacheFolder } from '../options.ts';
import type { Placement } from './cases.ts';
import type { BenchModel } from './model.ts';
import type { Loaded } from './subject.ts';

export interface LoadOptions {
  readonly device: Device;
  readonly placement: Placement;
  readonly strictDevice: boolean;
  /** Whether a second start, with weights that the first one kept, is timed too. */
  readonly warmLoad: boolean;
  /** One line for a person. */
  notice(line: string): void;
  /** Told of weights as they are prepared; throws to stop. */
  progress(done: number, total: number): void;
}

/** A graph to load. */
export interface Part {
  readonly graph: Graph;
  /** Dimensions that the session fixes. */
  readonly sizes: Sizes;
  readonly fused: boolean;
}

export interface LoadedParts<N extends string> {
  readonly sessions: Readonly<Record<N, Session>>;
  readonly loaded: Loaded;
  close(): Promise<void>;
}

/**
 * Loads every part into a session of its own, always from weights prepared anew; with `warmLoad` a second time from
 * what the first kept.
 * @param compute what 'auto' stands for
 * @throws UserError 'device' when the device refuses a part, or has no float16 where it is asked for
 */
export const loadParts = async <N extends string>(
  model: BenchModel,
  parts: Readonly<Record<N, Part>>,
  compute: Compute,
  options: LoadOptions,
): Promise<LoadedParts<N>> => {
  const { device, placement, warmLoad } = options;
  const names = Object.keys(parts) as N[];
  const programs = names.map((name) => {
    const { graph, sizes, fused } = parts[name];
    const target = targetOn(device, { compute, fused, activations: placement.activations });
    return [name, lower(graph, target, sizes)] as const;
  });
  const kept = warmLoad ? await newFolder(cacheFolder()) : undefined;
  const remove = async () => {
    if (kept !== undefined) await rm(kept, { recursive: true, force: true });
  };
  try {
    const sessions = await openParts(model, programs, options, kept);
    const cold = times(sessions);
    if (kept !== undefined) for (const [, session] of sessions) await session.close();
    const open = kept === undefined ? sessions : await openParts(model, programs, options, kept);
    const all = open.map(([, session]) => session);
    noticeFallbacks(device, all, options.notice);
    const warm = times(open);
    return {
      sessions: Object.fromEntries(open) as Record<N, Session>,
      loaded: {
        device,
        threads: placement.threads,
        compute,
        cacheType: programs.some(([, { target }]) => target.halves) ? 'f16' : 'f32',
        ...cold,
        ...(kept !== undefined && { warmLoadMs: warm.prepareMs + warm.createMs }),
        nFallback: all.flatMap(({ opening }) => opening.fallbacks).reduce((n, { count }) => n + count, 0),
        weightBytes: programs.reduce((sum, [, program]) => sum + program.weightBytes, 0),
      },
      close: async () => {
        for (const [, session] of open) await session.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
};

/** @param kept where weights are kept for a second start, if there is one */
const openParts = async <N extends string>(
  { name }: BenchModel,
  programs: readonly (readonly [N, Program])[],
  { device, placement, strictDevice, progress }: LoadOptions,
  kept: string | undefined,
): Promise<readonly (readonly [N, Session])[]> => {
  const keeping = kept !== undefined && {
    cacheFolder: kept,
    limit: Number.POSITIVE_INFINITY,
    source: name,
    label: name,
    notice: () => undefined,
  };
  const options: SessionOptions = {
    threads: placement.threads,
    cacheFolder: cacheFolder(),
    strict: strictDevice,
    progress,
    packing: 'awaited',
    ...(keeping && { keeping }),
  };
  const opened = await openAll(programs, ([, program]) => openSession(program, device, options));
  return opened.map(([[part], session]) => [part, session] as const);
};

const times = (sessions: readonly (readonly [string, Session])[]) => ({
  prepareMs: sessions.reduce((sum, [, { opening }]) => sum + opening.prepareMs, 0),
  createMs: sessions.reduce((sum, [, { opening }]) => sum + opening.createMs, 0),
});

/**
 * Bytes that a run of these sizes copies back from the device.
 * @param wanted the outputs that it is asked for
 */
export const fetchedBytes = (
  { outputs: all, cache }: Program,
  sizes: Sizes,
  wanted: readonly string[] = all.map(({ name }) => name),
): number => {
  const outputs = all.filter(({ name }) => wanted.includes(name));
  const rows = (cache?.states ?? []).filter(({ write }) => write === 'rows').map(({ next }) => next);
  return [...outputs, ...rows].reduce((sum, type) => sum + sized(type, sizes).bytes, 0);
};

/** Bytes of everything that a session keeps. */
export const keptBytes = ({ cache, sizes }: Program): number =>
  (cache?.states ?? []).reduce((sum, state) => sum + sized(state, sizes).bytes, 0);
