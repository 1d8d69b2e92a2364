/** The flags that choose tokens, as a chat shows and changes them while it goes on. */
import { normaliseArguments, parseArguments } from '../arguments.ts';
import type { LlamaFlags } from '../text/options.ts';
import { samplingFlags } from '../text/options.ts';
import type { SlashContext } from './slash.ts';

/** @param apply is given all flags after every change */
export const createSettings = (
  flags: LlamaFlags,
  apply: (changed: LlamaFlags) => void,
): Pick<SlashContext, 'set' | 'settings'> => {
  let now = flags;
  return {
    settings: () =>
      (Object.keys(samplingFlags) as (keyof typeof samplingFlags)[]).map((name) => [name, shown(now[name])] as const),
    async set(name, value) {
      const words = normaliseArguments([`--${name}`, value], samplingFlags);
      const { values } = await parseArguments(words, samplingFlags);
      // The name behind an alias; every other value is only a default.
      const own = /^--([^=]+)/.exec(words[0] ?? '')?.[1];
      const changed = Object.entries(values).filter(([key]) => key === own);
      now = { ...now, ...Object.fromEntries(changed) };
      apply(now);
    },
  };
};

const shown = (value: unknown): string =>
  value === undefined ? 'as the file says, or the default' : typeof value === 'string' ? value : JSON.stringify(value);
