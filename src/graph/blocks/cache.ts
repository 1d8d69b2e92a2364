import type { GraphBuilder } from '../builder.ts';
import { append } from '../ops/attend.ts';
import type { Dim, Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { KeyValue } from './attention.ts';
import { block } from './block.ts';

/** Rows `[B, n, T, d]` kept in the session at their positions `[B, T]`; gives all rows in view `[B, n, nKv, d]`. */
export const remember = block('remember', (g: GraphBuilder, name: string, rows: Tensor, pos: Tensor): Tensor => {
  const state = g.state(name, rows.dtype, [rows.shape[0] as Dim, size(rows, 1), 'nCtx', size(rows, -1)]);
  const all = append(g, state, rows, pos);
  g.update(state, all);
  return all;
});

/** What earlier runs kept of layer `il`, then this run's keys and values. */
export const cached = block(
  'cached',
  (g: GraphBuilder, il: number, { k, v }: KeyValue, pos: Tensor): KeyValue => ({
    k: remember(g, `cache_k.${il}`, k, pos),
    v: remember(g, `cache_v.${il}`, v, pos),
  }),
);
