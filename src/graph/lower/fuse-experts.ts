/** Experts as branches: the whole feed-forward layer of an expert runs where a token has chosen it, and on its rows. */

import { float } from '../op.ts';
import { MUL, SILU } from '../ops/arithmetic.ts';
import { EXPERT_LINEAR } from '../ops/matmul.ts';
import { REPEAT_ROWS } from '../ops/shape.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { stackable } from './forms.ts';
import type { Fusion, Users } from './patterns.ts';
import { input, is, onlyUser } from './patterns.ts';

interface ExpertLayer {
  /** Tokens `[nToken, nEmbd]`, each of which chose `nUsed` experts. */
  readonly tokens: Tensor;
  readonly nUsed: number;
  /** Chosen experts `[nChoice]`, token by token. */
  readonly ids: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly down: Tensor;
}

const expertLayer = (down: Tensor, users: Users): (ExpertLayer & Pick<Fusion, 'covers'>) | undefined => {
  if (!is(down, EXPERT_LINEAR)) return undefined;
  const [inner, downWeight, ids] = down.inputs as readonly [Tensor, Tensor, Tensor];
  if (!is(inner, MUL)) return undefined;
  const [act, up] = inner.inputs as readonly [Tensor, Tensor];
  if (!is(act, SILU) || !is(up, EXPERT_LINEAR)) return undefined;
  const gate = input(act, 0);
  if (!is(gate, EXPERT_LINEAR)) return undefined;
  const rows = input(gate, 0);
  const isOneLayer = input(up, 0) === rows && input(gate, 2) === ids && input(up, 2) === ids;
  if (!is(rows, REPEAT_ROWS) || !isOneLayer || users.get(rows)?.length !== 2) return undefined;
  if (![gate, act, up, inner].every((x) => onlyUser(x, users))) return undefined;
  return {
    tokens: input(rows, 0),
    nUsed: (rows.attrs as { times: number }).times,
    ids,
    gate: input(gate, 1),
    up: input(up, 1),
    down: downWeight,
    covers: [rows, gate, act, up, inner, down],
  };
};

/**
 * Experts behind one condition. A condition costs about 6 µs whether it holds or not, an expert without rows about as
 * much: a few of them together are run, or passed over, for the price of one.
 */
const perBranch = (nExpert: number): number => [4, 3, 2].find((n) => nExpert % n === 0) ?? 1;

/**
 * The products of all choices and what is between them -> the rows sorted by expert, then for a few experts at a time
 * a branch that runs if anybody chose one of them. An expert multiplies its own rows only, none if it has none.
 */
export const expertBranches = (down: Tensor, users: Users, o: Emitter): Fusion | undefined => {
  // Elsewhere than on the CPU, branches that change from token to token would stop the device at each.
  if (!o.has('QuickGelu') || o.target.provider !== 'cpu') return undefined;
  const found = expertLayer(down, users);
  if (!found) return undefined;
  return {
    anchor: down,
    covers: found.covers,
    emit(o, valueAt) {
      const [nExpert, nEmbd] = [size(found.down, 0), size(found.down, 1)];
      const weights = { gate: valueAt(found.gate), up: valueAt(found.up), down: valueAt(found.down) };
      const sorted = sortByExpert(o, valueAt(found.ids), nExpert);
      const rows = o.node('Gather', [valueAt(found.tokens), o.node('Div', [sorted.order, o.i64([found.nUsed])])], {
        axis: 0,
      });
      const rowsOf = o.nodeOf('Split', [rows, sorted.counts], nExpert, { axis: 0 });
      const nTogether = perBranch(nExpert);
      const branches = range(nExpert / nTogether);
      const grouped = o.node('Reshape', [sorted.counts, o.i64([branches.length, nTogether])]);
      const isAny = o.node('Greater', [o.node('ReduceSum', [grouped, o.i64([1])], { keepdims: 0 }), o.i64([0])]);
      const isChosen = o.nodeOf('Split', [isAny, o.i64(branches.map(() => 1))], branches.length, { axis: 0 });
      const said = branches.map((branch) => {
        const experts = range(nTogether).map((i) => branch * nTogether + i);
        const yes = () =>
          [
            o.node(
              'Concat',
              experts.map((e) => oneExpert(o, rowsOf[e] as Value, weights, e)),
              { axis: 0 },
            ),
          ] as const;
        // Cut from what is at hand: constants the runtime would fold, under a name that it does not accept again.
        const no = () => [o.node('Slice', [rows, o.i64([0]), o.i64([0])])] as const;
        // Of one name would be of one size to the runtime, which puts one where another was.
        const nRow = `nRow.${down.name}.${branch}`;
        return o.either<1>(isChosen[branch] as Value, { yes, no }, [{ dtype: 'f32', shape: [nRow, nEmbd] }])[0];
      });
      // Rows came expert by expert; each goes back to its choice.
      return new Map([[down, o.node('Gather', [o.node('Concat', said, { axis: 0 }), sorted.back], { axis: 0 })]]);
    },
  };
};

/** The choices `[nChoice]` in the order of their experts, the way back, and how many each expert has. */
const sortByExpert = (
  o: Emitter,
  ids: Value,
  nExpert: number,
): Readonly<Record<'order' | 'back' | 'counts', Computed>> => {
  const nChoice = o.node('Shape', [ids]);
  const number = o.node('Range', [o.i64Scalar(0), o.node('Squeeze', [nChoice]), o.i64Scalar(1)]);
  // No two keys are equal, so equal experts keep their order.
  const key = o.node('Add', [o.node('Mul', [ids, nChoice]), number]);
  const ascending = (x: Value) => o.nodeOf('TopK', [x, nChoice], 2, { axis: 0, largest: 0, sorted: 1 })[1];
  const order = ascending(key);
  const isOf = o.node('Equal', [o.node('Unsqueeze', [ids, o.i64([1])]), o.i64(range(nExpert))]); // [nChoice, nExpert]
  const counts = o.node('ReduceSum', [o.cast(isOf, 'i64'), o.i64([0])], { keepdims: 0 });
  return { order, back: ascending(order), counts };
};

/** What one expert says to its rows `[n, nEmbd]`. */
const oneExpert = (
  o: Emitter,
  rows: Value,
  w: Readonly<Record<'gate' | 'up' | 'down', Value>>,
  expert: number,
): Computed => {
  const [gate, up] = [o.expert(w.gate, expert), o.expert(w.up, expert)];
  const [a, b] = stackable(o, [gate.ref, up.ref])
    ? o.nodeOf('Split', [o.product(rows, [gate, up], 2)], 2, { axis: -1, num_outputs: 2 })
    : [o.product(rows, [gate], 2), o.product(rows, [up], 2)];
  const inner = o.node('Mul', [o.node('QuickGelu', [a], { alpha: float(1) }), b]);
  return o.product(inner, [o.expert(w.down, expert)], 2);
};

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
