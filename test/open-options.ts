/** How tests open models: on the processor, by one thread, as the file says, and nothing is kept or told. */

import type { PlacementOptions } from '../src/commands/placement.ts';
import { plainPlacement } from '../src/commands/placement.ts';
import type { OpenOptions } from '../src/commands/text/open.ts';
import { asStored } from '../src/commands/text/open.ts';

export const onProcessor: PlacementOptions = { ...plainPlacement(1), cache: false };

/** A text model, with the context that it was trained for or that memory has room for. */
export const asText: OpenOptions = {
  ...onProcessor,
  ...asStored,
  family: 'llama',
  nCtx: 0,
};
