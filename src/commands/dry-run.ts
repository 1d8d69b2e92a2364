import type { MemoryPlan } from './memory.ts';
import { reportMemory } from './memory.ts';
import type { ModelKind, ModelWish, NamedModel } from './model-source.ts';
import { openHeader } from './model-source.ts';

/**
 * The answer to `--dry-run`: what a model would take of memory. Nothing but its header is read.
 * @param plan how its command would run it
 * @returns the exit code
 * @throws UserError 'capacity' where the model cannot fit
 */
export const dryRun = async (
  flags: ModelWish & { readonly json: boolean },
  kind: ModelKind,
  notice: (line: string) => void,
  plan: (file: NamedModel) => Promise<MemoryPlan>,
): Promise<number> => {
  const file = await openHeader(flags, kind, notice);
  try {
    return await reportMemory(await plan(file), flags.json);
  } finally {
    await file.close();
  }
};
