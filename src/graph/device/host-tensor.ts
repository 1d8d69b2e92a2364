import type { HostTensor } from './engine.ts';

/** The buffers of a run's tensors, which can change hands between threads without a copy. */
export const buffersOf = (tensors: Readonly<Record<string, HostTensor>>): ArrayBuffer[] => [
  ...new Set(Object.values(tensors).map((t) => t.data.buffer as ArrayBuffer)),
];
