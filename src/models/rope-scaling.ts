import { UserError } from '../errors.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { RopeScaling } from '../graph/ops/rope-table.ts';
import { expectHparam } from './expect-hparam.ts';

/** The base of the rotary angles. */
export const ropeBase = (m: Hparams): number => {
  const base = m.num('rope.freq_base', 10_000);
  expectHparam(base > 0, 'rope.freq_base', base, 'a positive number');
  return base;
};

/** How a file stretches its rotary positions: the keys `rope.scaling.*`, or `rope.scale_linear` of old files. */
export const ropeScaling = (m: Hparams): RopeScaling => {
  const kind = m.string('rope.scaling.type', m.has('rope.scale_linear') ? 'linear' : 'none');
  switch (kind) {
    case 'none':
      return { kind: 'none' };
    case 'linear':
      return { kind: 'linear', factor: positive(m.num('rope.scaling.factor', m.num('rope.scale_linear', 1))) };
    case 'yarn': {
      const factor = positive(m.num('rope.scaling.factor'));
      const extFactor = m.num('rope.scaling.yarn_ext_factor', 1);
      return {
        kind: 'yarn',
        factor,
        nCtxOrig: m.int('rope.scaling.original_context_length', m.int('context_length')),
        betaFast: positive(m.num('rope.scaling.yarn_beta_fast', 32), 'yarn_beta_fast'),
        betaSlow: positive(m.num('rope.scaling.yarn_beta_slow', 1), 'yarn_beta_slow'),
        extFactor,
        magnitude: m.num('rope.scaling.attn_factor', 1) * (extFactor === 0 ? 1 : 1 + 0.1 * Math.log(factor)),
      };
    }
    default:
      throw new UserError('model', `rope scaling '${kind}' is not supported; known are none, linear and yarn`);
  }
};

const positive = (n: number, key = 'factor'): number => {
  if (!(n > 0)) throw new UserError('model', `rope.scaling.${key} is ${n}, expected a positive number`);
  return n;
};
