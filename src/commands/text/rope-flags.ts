/** `--rope-*` and `--yarn-*`: positions stretched otherwise than the file says, as metadata that goes before the file's. */
import type { MetadataValue } from '../../graph/weights.ts';
import type { LlamaFlags } from './options.ts';

/** Flags that give tokens other positions, and so other keys. */
export const ropeFlagNames = [
  'rope-scaling',
  'rope-scale',
  'rope-freq-base',
  'rope-freq-scale',
  'yarn-orig-ctx',
  'yarn-ext-factor',
  'yarn-attn-factor',
  'yarn-beta-slow',
  'yarn-beta-fast',
] as const satisfies readonly (keyof LlamaFlags)[];

/** What is not given is as the file says. */
export type RopeFlags = Partial<Pick<LlamaFlags, (typeof ropeFlagNames)[number]>>;

/**
 * Metadata of an architecture that the flags stand for. A factor alone stretches linearly where the file does not
 * stretch at all, as in llama.cpp.
 */
export const ropeOverrides = (
  flags: RopeFlags,
  arch: string,
  metadata: ReadonlyMap<string, MetadataValue>,
): ReadonlyMap<string, MetadataValue> => {
  const scale = flags['rope-freq-scale'];
  const factor = flags['rope-scale'] ?? (scale === undefined ? undefined : 1 / scale);
  const mix = flags['yarn-ext-factor'];
  const own = metadata.get(`${arch}.rope.scaling.type`) ?? 'none';
  const kind = flags['rope-scaling'] ?? (factor !== undefined && own === 'none' ? 'linear' : undefined);
  const values: Readonly<Record<string, MetadataValue | undefined>> = {
    'rope.freq_base': flags['rope-freq-base'],
    'rope.scaling.type': kind,
    'rope.scaling.factor': factor,
    'rope.scaling.original_context_length': flags['yarn-orig-ctx'],
    'rope.scaling.yarn_ext_factor': mix === -1 ? undefined : mix,
    'rope.scaling.attn_factor': flags['yarn-attn-factor'],
    'rope.scaling.yarn_beta_slow': flags['yarn-beta-slow'],
    'rope.scaling.yarn_beta_fast': flags['yarn-beta-fast'],
  };
  return new Map(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[`${arch}.${key}`, value] as const])),
  );
};
