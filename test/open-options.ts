/** How tests open models: on the processor, by one thread, as the file says, and nothing is kept or told. */

import type { PlacementOptions } from '../src/commands/placement.ts';
import type { OpenOptions } from '../src/commands/text/open.ts';
import { asStored } from '../src/commands/text/open.ts';

export const onProcessor = {
  wish: { kind: 'named', provider: 'cpu', index: 0 },
  strictDevice: false,
  threads: 1,
  compute: 'auto',
  fused: true,
  activations: 'auto',
  cache: false,
  notice: () => undefined,
} as const satisfies PlacementOptions;

/** A text model, with the context that it was trained for or that memory has room for. */
export const asText: OpenOptions = {
  ...onProcessor,
  ...asStored,
  family: 'llama',
  nCtx: 0,
};
