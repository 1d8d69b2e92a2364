/** What of a program's run the processor does although it is on another device, from ONNX Runtime's profile. */

/** Operations of one kind that the device leaves to the processor, or copies that this takes, in each run. */
export interface Fallback {
  readonly op: string;
  readonly count: number;
}

/** What the runtime says of a program that the device cannot run alone, where it must. */
export const FALLS_BACK = 'fallback to CPU EP has been explicitly disabled';

/** An entry of a profile; of those for nodes we use these fields. */
export interface ProfileEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

/** Those of a profile of one run, most frequent first. */
export const fallbacksIn = (events: readonly ProfileEvent[]): readonly Fallback[] => {
  const counts = new Map<string, number>();
  for (const { cat, name = '', args } of events) {
    const op = args?.op_name ?? '';
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    if (args?.provider === 'CPUExecutionProvider' || op.startsWith('Memcpy')) counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  return [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count);
};

/** How many kinds are named. */
const NAMED = 4;

/** One line for a person; undefined where nothing falls back. */
export const fallbackLine = (device: string, fallbacks: readonly Fallback[]): string | undefined => {
  if (fallbacks.length === 0) return undefined;
  const sums = new Map<string, number>();
  for (const { op, count } of fallbacks) sums.set(op, (sums.get(op) ?? 0) + count);
  const sorted = [...sums].sort(([, a], [, b]) => b - a);
  const all = sorted.reduce((sum, [, count]) => sum + count, 0);
  const named = sorted.slice(0, NAMED).map(([op, count]) => `${count} ${op}`);
  const more = sorted.length > NAMED ? ', ...' : '';
  return `${device} leaves ${all} operations of a run to the processor, copies among them: ${named.join(', ')}${more}; --strict-device refuses that`;
};
