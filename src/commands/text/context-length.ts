/** How many positions a cache gets: as many as asked for, or as the model was trained for and memory has room for. */
import type { Device } from '../../graph/device/device.ts';
import { machineMemory } from '../memory.ts';

/** As short as a context may be; llama.cpp has the same bound. */
const MIN_CTX = 8;

/** On a device the cache is allocated at once and its memory is not known beforehand. */
const DEVICE_CTX = 4096;

/**
 * The length of the context, and what to say where it is not what was asked for.
 * @param asked 0: as many positions as fit
 * @param perPosition bytes that one position takes
 */
export const contextLength = (
  asked: number,
  { perPosition, nCtxTrain }: { readonly perPosition: number; readonly nCtxTrain: number },
  weightBytes: number,
  device: Device,
): { nCtx: number; note?: string } => {
  if (asked > 0)
    return asked < MIN_CTX ? { nCtx: MIN_CTX, note: `context raised from ${asked} to ${MIN_CTX}` } : { nCtx: asked };
  const room = Math.floor(Math.max(0, machineMemory().free - weightBytes) / 2 / perPosition);
  const most = device.provider === 'cpu' ? Math.max(room, DEVICE_CTX) : DEVICE_CTX;
  if (nCtxTrain <= most) return { nCtx: nCtxTrain };
  return {
    nCtx: most,
    note: `context ${most} of the ${nCtxTrain} the model was trained for, to fit memory; -c sets it`,
  };
};
