/** What a model takes of memory, known from its header before anything large is read, and whether the device has it. */
import { totalmem } from 'node:os';
import { UserError } from '../errors.ts';
import type { Device } from '../graph/device/device.ts';
import { deviceId } from '../graph/device/device.ts';
import type { Graph } from '../graph/graph.ts';
import type { Program } from '../graph/lower/lower.ts';
import { aligned } from '../graph/print/cost.ts';
import { memoryOf } from '../graph/print/liveness.ts';
import type { Sizes } from '../graph/tensor.ts';
import { bytesText } from '../io/hub/bytes.ts';
import { write } from './terminal.ts';

/** Bytes of a model that runs. */
export interface MemoryNeed {
  /** Weights, in the form that the kernels hold. */
  readonly weights: number;
  /** What is kept between runs, at its full length. */
  readonly cache: number;
  /** What lives while a run goes on, at most. */
  readonly activations: number;
}

export interface MemoryPlan {
  /** What the model is called. */
  readonly name: string;
  readonly device: Device;
  /** What the need depends on: 'compute block, context 4096'. */
  readonly setting: string;
  readonly need: MemoryNeed;
  /** Whether weights that are more than there is room for may stay on disk until they are used, and go from memory again. */
  readonly canMap?: boolean;
}

/** Of mapped weights, what the kernels write into and so must stay: measured with blocks of 4 bits. */
const HELD_OF_MAPPED = 1 / 3;

/** Node, the runtime and grafo itself, without any model: measured on Linux. */
const PROGRAM_BYTES = 150 * 2 ** 20;

/** A graph, how it was lowered, and the sizes of its largest run. */
export interface PlannedRun {
  readonly graph: Graph;
  readonly program: Program;
  readonly sizes: Sizes;
}

/** What these take together: each keeps its own weights, and the most that its runs ever took. */
export const needOf = (runs: readonly PlannedRun[]): MemoryNeed =>
  runs
    .map(({ graph, program, sizes }) => {
      const { cacheBytes, peak } = memoryOf(graph, sizes);
      const share = program.target.halves ? 0.5 : 1; // the graph counts in float32
      return { weights: program.weightBytes, cache: share * cacheBytes, activations: share * peak.liveBytes };
    })
    .reduce((a, b) => ({
      weights: a.weights + b.weights,
      cache: a.cache + b.cache,
      activations: a.activations + b.activations,
    }));

const together = ({ weights, cache, activations }: MemoryNeed): number => weights + cache + activations + PROGRAM_BYTES;

/** How a model has room: all of it at once, with weights that stay on disk until they are used, or not at all. */
type Fit = 'whole' | 'mapped' | 'none';

/** How the device has room for a model. */
export const fitOf = ({ need, device, canMap = false }: MemoryPlan, room = roomOn(device)): Fit => {
  const all = together(need);
  if (!room || all <= room.total) return 'whole';
  return canMap && all - (1 - HELD_OF_MAPPED) * need.weights <= room.total ? 'mapped' : 'none';
};

interface Room {
  readonly name: string;
  readonly total: number;
  readonly free?: number;
}

/** Memory of this machine, or of what the system allows this process of it. */
export const machineMemory = (): { readonly total: number; readonly free: number } => {
  const allowed = process.constrainedMemory();
  const total = allowed > 0 ? Math.min(totalmem(), allowed) : totalmem();
  return { total, free: Math.min(total, process.availableMemory()) };
};

/** The memory that the device computes in; undefined where nobody tells how much it has. */
const roomOn = (device: Device): Room | undefined => {
  if (device.provider === 'cpu') return { name: 'this machine', ...machineMemory() };
  return device.memoryBytes === undefined ? undefined : { name: deviceId(device), total: device.memoryBytes };
};

/**
 * Says where memory is tight.
 * @throws UserError 'capacity' where the model cannot fit
 */
export const expectFit = (plan: MemoryPlan, notice: (line: string) => void, room = roomOn(plan.device)): void => {
  if (!room) return;
  const { need, name } = plan;
  const all = together(need);
  const parts = `weights ${bytesText(need.weights)}, cache ${bytesText(need.cache)}`;
  const fit = fitOf(plan, room);
  if (fit === 'none')
    throw new UserError(
      'capacity',
      `${name} with ${plan.setting} needs ${bytesText(all)} (${parts}), ${room.name} has ${bytesText(room.total)}`,
      need.cache > need.weights ? 'a shorter context (-c) needs less' : 'take a smaller model, or one of fewer bits',
    );
  if (fit === 'mapped')
    notice(
      `${name} needs ${bytesText(all)}, ${room.name} has ${bytesText(room.total)}: weights stay on disk until they are used`,
    );
  else if (room.free !== undefined && all > room.free)
    notice(`${name} needs ${bytesText(all)}, ${bytesText(room.free)} are free now: it may become slow`);
};

/** The answer to `--dry-run`; the exit code. Throws a UserError 'capacity' where the model cannot fit. */
export const reportMemory = async (plan: MemoryPlan, asJson: boolean): Promise<number> => {
  const room = roomOn(plan.device);
  await write(asJson ? `${JSON.stringify(memoryJson(plan, room))}\n` : memoryText(plan, room));
  expectFit(plan, () => undefined, room);
  return 0;
};

/** What it takes, part by part, and whether the device has it. */
export const memoryText = (plan: MemoryPlan, room = roomOn(plan.device)): string => {
  const { name, device, setting, need } = plan;
  const rows: readonly (readonly [string, number])[] = [
    ['weights', need.weights],
    ['cache', need.cache],
    ['activations', need.activations],
    ['the program', PROGRAM_BYTES],
    ['together', together(need)],
  ];
  return [
    `${name} on ${deviceId(device)}, ${setting}\n`,
    aligned(rows.map(([what, bytes]) => [what, bytesText(bytes).padStart(10)])),
    `${verdict(plan, room)}\n`,
  ].join('');
};

const verdict = (plan: MemoryPlan, room: Room | undefined): string => {
  if (!room) return `nobody tells how much memory ${deviceId(plan.device)} has`;
  const free = room.free === undefined ? '' : `, ${bytesText(room.free)} of it free`;
  return `${fitText[fitOf(plan, room)]}: ${room.name} has ${bytesText(room.total)}${free}`;
};

const fitText: Readonly<Record<Fit, string>> = {
  whole: 'it fits',
  mapped: 'it fits, with weights that stay on disk until they are used',
  none: 'it does not fit',
};

/** The same for programs. */
export const memoryJson = (plan: MemoryPlan, room = roomOn(plan.device)) => ({
  ...jsonOf(plan),
  ...(room && { memory_bytes: room.total, free_bytes: room.free, ...fitJson(fitOf(plan, room)) }),
});

const fitJson = (fit: Fit) => ({ fits: fit !== 'none', maps_weights: fit === 'mapped' });

const jsonOf = ({ name, device, setting, need }: MemoryPlan) => ({
  model: name,
  device: deviceId(device),
  setting,
  weight_bytes: need.weights,
  cache_bytes: need.cache,
  activation_bytes: need.activations,
  program_bytes: PROGRAM_BYTES,
  total_bytes: together(need),
});
