/** References that are not ours to publish live beside the repository; without them the tests that need them are skipped, aloud. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../shared/data/', import.meta.url));

/** The path of a shared reference, or undefined where there is none; `what` then goes into the printed reason. */
export const sharedData = (path: string, what: string): string | undefined => {
  if (existsSync(root + path)) return root + path;
  console.warn(`skipped: ${what} needs shared/data/${path}, which is not part of this repository`);
  return undefined;
};
