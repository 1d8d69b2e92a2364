import { UserError } from '../errors.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { RopeScaling } from '../graph/ops/rope-table.ts';

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
      return {
        kind: 'yarn',
        factor,
        nCtxOrig: m.int('rope.scaling.original_context_length', m.int('context_length')),
        betaFast: 32,
        betaSlow: 1,
        magnitude: m.num('rope.scaling.attn_factor', 1) * (1 + 0.1 * Math.log(factor)),
      };
    }
    default:
      throw new UserError('model', `rope scaling '${kind}' is not supported; known are none, linear and yarn`);
  }
};

const positive = (factor: number): number => {
  if (!(factor > 0)) throw new UserError('model', `rope.scaling.factor is ${factor}, expected a positive number`);
  return factor;
};
