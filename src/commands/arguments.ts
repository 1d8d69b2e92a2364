/**
 * llama.cpp's spelling of flags in terms that yargs reads: `-ngl 99` (one dash, several letters), `-fa` with or without
 * a value, values that begin with a dash. Flags that no option knows are refused here, with the nearest known one.
 */
import type { Options } from 'yargs';
import { UserError } from '../errors.ts';

/** Words that a switch with an optional value takes. */
const switchWords = new Set(['on', 'off', 'auto', 'true', 'false', '0', '1', 'enabled', 'disabled']);

interface Known {
  readonly name: string;
  readonly takes: 'value' | 'nothing' | 'switch';
}

/** Rewrites arguments to `--name=value`, `--name` and `--no-name`; what is no flag stays as it is. */
export const normaliseArguments = (
  argv: readonly string[],
  options: Readonly<Record<string, Options>>,
): readonly string[] => {
  const known = knownFlags(options);
  const out: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? '';
    if (argument === '--') return [...out, ...argv.slice(i)];
    const [, flag, inline] = /^--?([^-=\d][^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (flag === undefined) {
      out.push(argument);
      continue;
    }
    const option = known.get(flag);
    if (!option) {
      const negated = /^no-(.+)$/.exec(flag)?.[1];
      const positive = negated === undefined ? undefined : known.get(negated);
      if (!positive || positive.takes === 'value') throw unknownFlag(argument.split('=')[0] ?? argument, known);
      out.push(positive.takes === 'switch' ? `--${positive.name}=off` : `--no-${positive.name}`);
    } else if (inline !== undefined) {
      out.push(`--${option.name}=${inline}`);
    } else if (option.takes === 'nothing') {
      out.push(`--${option.name}`);
    } else if (option.takes === 'switch') {
      const next = argv[i + 1];
      const hasWord = next !== undefined && switchWords.has(next);
      out.push(`--${option.name}=${hasWord ? next : 'on'}`);
      if (hasWord) i++;
    } else {
      const value = argv[++i];
      if (value === undefined) throw new UserError('usage', `flag '${argument}' needs a value`);
      out.push(`--${option.name}=${value}`);
    }
  }
  return out;
};

const knownFlags = (options: Readonly<Record<string, Options>>): ReadonlyMap<string, Known> => {
  const known = new Map<string, Known>();
  for (const [name, option] of Object.entries(options)) {
    const takes =
      option.type === 'boolean' || option.type === 'count'
        ? 'nothing'
        : option.coerce === onOffAuto
          ? 'switch'
          : 'value';
    for (const spelling of [name, ...[option.alias ?? []].flat()]) known.set(spelling, { name, takes });
  }
  return known;
};

const unknownFlag = (flag: string, known: ReadonlyMap<string, Known>): UserError => {
  const bare = flag.replace(/^-+/, '');
  const near = [...known.keys()]
    .map((name) => ({ name, distance: editDistance(bare, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const close = near && near.distance <= Math.max(1, Math.floor(bare.length / 3));
  const hint = close ? `did you mean ${near.name.length > 1 ? '--' : '-'}${near.name}?` : 'see --help';
  return new UserError('usage', `unknown flag '${flag}'`, hint);
};

/** Levenshtein's distance. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

export type OnOffAuto = 'on' | 'off' | 'auto';

/** A switch that may be given bare, or with on, off or auto (and llama.cpp's other words for these). */
export const onOffAuto = (value: string): OnOffAuto => {
  if (value === 'auto') return 'auto';
  if (['on', 'true', '1', 'enabled', ''].includes(value)) return 'on';
  if (['off', 'false', '0', 'disabled'].includes(value)) return 'off';
  throw new UserError('usage', `'${value}' is not on, off or auto`);
};
