/** Graphs of a model as sessions on a device, and what that took. */
import { mkdir, rm } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import type { Device } from '../../graph/device/device.ts';
import { deviceId } from '../../graph/device/device.ts';
import { newFolder } from '../../graph/device/files.ts';
import type { Session } from '../../graph/device/session.ts';
import { openSession } from '../../graph/device/session.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Program } from '../../graph/lower/lower.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { Compute, Target } from '../../graph/lower/target.ts';
import type { Sizes } from '../../graph/tensor.ts';
import { sized } from '../../graph/tensor.ts';
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
 * @throws UserError 'device' when the device refuses a part, 'usage' for a cache that it does not have
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
    const target: Target = { provider: device.provider, compute, fused };
    return [name, lower(graph, target, sizes)] as const;
  });
  const cacheType = checkedCacheType(
    programs.map(([, program]) => program),
    placement,
    device,
  );
  await mkdir(cacheFolder(), { recursive: true });
  const kept = warmLoad ? await newFolder(cacheFolder()) : undefined;
  const remove = async () => {
    if (kept !== undefined) await rm(kept, { recursive: true, force: true });
  };
  try {
    const sessions = await openAll(model, programs, options, kept);
    const cold = times(sessions);
    if (kept !== undefined) for (const [, session] of sessions) await session.close();
    const open = kept === undefined ? sessions : await openAll(model, programs, options, kept);
    const warm = times(open);
    return {
      sessions: Object.fromEntries(open) as Record<N, Session>,
      loaded: {
        device,
        threads: placement.threads,
        compute,
        cacheType,
        ...cold,
        ...(kept !== undefined && { warmLoadMs: warm.prepareMs + warm.createMs }),
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

const openAll = async <N extends string>(
  { name }: BenchModel,
  programs: readonly (readonly [N, Program])[],
  { device, placement, strictDevice, progress }: LoadOptions,
  kept: string | undefined,
): Promise<readonly (readonly [N, Session])[]> => {
  const sessions: [N, Session][] = [];
  try {
    for (const [part, program] of programs) {
      const session = await openSession(program, device, {
        threads: placement.threads,
        cacheFolder: cacheFolder(),
        strict: strictDevice,
        progress,
        packing: 'awaited',
        ...(kept !== undefined && {
          keeping: {
            cacheFolder: kept,
            limit: Number.POSITIVE_INFINITY,
            source: name,
            label: name,
            notice: () => undefined,
          },
        }),
      });
      sessions.push([part, session]);
    }
    return sessions;
  } catch (error) {
    for (const [, session] of sessions) await session.close();
    throw error;
  }
};

const times = (sessions: readonly (readonly [string, Session])[]) => ({
  prepareMs: sessions.reduce((sum, [, { opening }]) => sum + opening.prepareMs, 0),
  createMs: sessions.reduce((sum, [, { opening }]) => sum + opening.createMs, 0),
});

const checkedCacheType = (programs: readonly Program[], { cacheType }: Placement, device: Device): 'f32' | 'f16' => {
  const states = programs.flatMap((program) => program.cache?.states ?? []);
  const has = states.some(({ dtype }) => dtype === 'f16') ? 'f16' : 'f32';
  if (cacheType === 'auto' || cacheType === has || states.length === 0) return has;
  throw new UserError(
    'usage',
    `-ctk and -ctv are ${cacheType}, but the cache is ${has} on ${deviceId(device)}`,
    `leave them out`,
  );
};

/** Bytes that a run of these sizes copies back from the device. */
export const fetchedBytes = ({ outputs, cache }: Program, sizes: Sizes): number => {
  const rows = (cache?.states ?? []).filter(({ write }) => write === 'rows').map(({ next }) => next);
  return [...outputs, ...rows].reduce((sum, type) => sum + sized(type, sizes).bytes, 0);
};

/** Bytes of everything that a session keeps. */
export const keptBytes = ({ cache, sizes }: Program): number =>
  (cache?.states ?? []).reduce((sum, state) => sum + sized(state, sizes).bytes, 0);
