/** `--profile`: a part run for real, and where each block's time went and on which device. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../../graph/device/device.ts';
import { deviceId } from '../../graph/device/device.ts';
import type { HostTensor } from '../../graph/device/engine.ts';
import { openSession } from '../../graph/device/session.ts';
import type { Graph } from '../../graph/graph.ts';
import type { NamedType } from '../../graph/lower/emitter.ts';
import type { Program } from '../../graph/lower/lower.ts';
import { lower } from '../../graph/lower/lower.ts';
import type { NodeTime } from '../../graph/print/profile.ts';
import type { Sizes } from '../../graph/tensor.ts';
import { elements, resolve } from '../../graph/tensor.ts';
import { findDevice } from '../devices.ts';
import { cacheFolder, physicalCores } from '../options.ts';
import type { ChosenGraph } from './model.ts';
import type { GraphFlags } from './options.ts';

/** The first is not counted: caches are cold and kernels are prepared. */
const RUNS = 4;

export interface Profile {
  readonly device: Device;
  /** Means of all runs but the first. */
  readonly times: readonly NodeTime[];
}

/** Runs the part on the device of the flags, with zeros for what users would bring, and reads the runtime's profile. */
export const profilePart = async ({ graph, sizes }: ChosenGraph, flags: GraphFlags): Promise<Profile> => {
  const { device } = await findDevice(flags.device, 0);
  const target = { provider: device.provider, compute: flags.compute, fused: flags['flash-attn'] !== 'off' };
  const program = lower(graph, target, { nCtx: sizes.nCtx ?? 1, B: sizes.B ?? 1 });
  const folder = await mkdtemp(join(tmpdir(), 'grafo-profile-'));
  try {
    const session = await openSession(program, device, {
      threads: flags.threads ?? physicalCores(),
      cacheFolder: cacheFolder(),
      profilePrefix: join(folder, 'profile'),
    });
    try {
      for (let i = 0; i < RUNS; i++) await session.run(inputsOf(program, sizes));
    } finally {
      // The profile is whole when the session is closed.
      await session.close();
    }
    const [file] = await readdir(folder);
    if (file === undefined) throw new Error('the runtime wrote no profile');
    return { device, times: timesOf(JSON.parse(await readFile(join(folder, file), 'utf8')), graph) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const inputsOf = ({ inputs }: Program, sizes: Sizes): Readonly<Record<string, HostTensor>> =>
  Object.fromEntries(inputs.map((input) => [input.name, inputOf(input, sizes)]));

/** Zeros; positions go on from what is in the cache. */
const inputOf = ({ name, dtype, shape }: NamedType, sizes: Sizes): HostTensor => {
  const dims = resolve(shape, sizes);
  if (dtype !== 'i64') return { dtype, dims, data: new Float32Array(elements(dims)) };
  const [nToken, past] = [sizes.T ?? 1, (sizes.nKv ?? 0) - (sizes.T ?? 0)];
  const data = BigInt64Array.from({ length: elements(dims) }, (_, i) =>
    BigInt(name === 'pos' ? past + (i % nToken) : 0),
  );
  return { dtype, dims, data };
};

/** An entry of ONNX Runtime's profile; of those for nodes we use these fields. */
interface Event {
  readonly cat?: string;
  readonly name?: string;
  readonly dur?: number;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

const KERNEL = '_kernel_time';

/** Milliseconds of each node in a run, by the tensor after which it is called. */
const timesOf = (events: readonly Event[], graph: Graph): readonly NodeTime[] => {
  const pathOf = new Map(graph.nodes.map(({ name, path }) => [name, path]));
  const seen = new Map<string, number>();
  const times = new Map<string, NodeTime>();
  for (const { cat, name = '', dur = 0, args } of events) {
    // An If's time is that of its branch, whose nodes are there themselves.
    if (cat !== 'Node' || !name.endsWith(KERNEL) || args?.op_name === 'If') continue;
    const node = name.slice(0, -KERNEL.length);
    const run = seen.get(node) ?? 0;
    seen.set(node, run + 1);
    if (run === 0) continue;
    const [tensor = node] = node.split('/');
    const device = (args?.provider ?? '').replace('ExecutionProvider', '').toLowerCase();
    const before = times.get(node)?.ms ?? 0;
    times.set(node, {
      name: node,
      op: args?.op_name ?? '',
      path: pathOf.get(tensor) ?? ['made by the runtime'],
      device,
      ms: before + dur / 1e3 / (RUNS - 1),
    });
  }
  return [...times.values()];
};

/** What was measured, and where. */
export const profileTitle = ({ device }: Profile, { arch, part }: ChosenGraph): string =>
  `${arch} ${part} on ${deviceId(device)}, mean of ${RUNS - 1} runs`;
