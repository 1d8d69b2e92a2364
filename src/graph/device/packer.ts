/** A process that packs one kept program and ends; what it cannot do is simply not done. */
import { constants, setPriority } from 'node:os';
import type { PackRequest, PackStep } from './pack.ts';
import { pack } from './pack.ts';

const request: PackRequest = JSON.parse(process.argv[2] ?? '');
if (request.isAwaited)
  process.on('disconnect', () => process.exit(1)); // nobody waits any more
else setPriority(constants.priority.PRIORITY_LOW);
await pack(request, (done, total) => process.send?.([done, total] satisfies PackStep));
process.exit(0); // the channel to who waits would keep it
