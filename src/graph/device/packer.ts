/** A process that packs one kept program and ends; nobody waits for it, and what it cannot do is simply not done. */
import { constants, setPriority } from 'node:os';
import type { PackRequest } from './pack.ts';
import { pack } from './pack.ts';

setPriority(constants.priority.PRIORITY_LOW);
const request: PackRequest = JSON.parse(process.argv[2] ?? '');
await pack(request);
