/** Which stored form of a weight meets which kernel. The only place that knows both. */
import type { WeightRef } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { denseGroup, halfGroup, packedGroup } from './initializers.ts';
import { accuracyLevel, readsHalves } from './target.ts';

const nOut = (refs: readonly WeightRef[]): number => refs.reduce((n, ref) => n + (ref.shape[0] ?? 0), 0);

/** Whether these weights can be stacked into one product. */
export const stackable = (refs: readonly WeightRef[]): boolean => {
  const [first] = refs;
  return refs.every(
    ({ tensor, shape }) =>
      shape[1] === first?.shape[1] &&
      tensor.blocks?.bits === first?.tensor.blocks?.bits &&
      tensor.blocks?.blockSize === first?.tensor.blocks?.blockSize &&
      tensor.blocks?.hasOffsets === first?.tensor.blocks?.hasOffsets,
  );
};

const runsInBlocks = (o: Emitter, ref: WeightRef, kernel: string): boolean =>
  ref.tensor.blocks?.hasOffsets === false && o.has(kernel);

/** x `[..., nIn]` times the transposes of weights `[nOut, nIn]` -> `[..., sum of nOut]`. */
export const product = (o: Emitter, x: Value, refs: readonly WeightRef[]): Computed => {
  const [ref] = refs;
  if (!ref || !stackable(refs)) throw new Error(`cannot stack ${refs.map((r) => r.name).join(', ')}`);
  const key = refs.map((r) => r.name).join('+');
  if (runsInBlocks(o, ref, 'MatMulNBits') && ref.tensor.blocks) {
    const { bits, blockSize } = ref.tensor.blocks;
    const [blocks, scales] = o.store(`${key} in blocks`, () => packedGroup(key, refs, 3));
    return o.node('MatMulNBits', [x, blocks, scales], {
      K: ref.shape[1] ?? 0,
      N: nOut(refs),
      bits,
      block_size: blockSize,
      accuracy_level: accuracyLevel(o.target),
    });
  }
  const [dense] = o.store(key, () => denseGroup(key, refs));
  if (o.has('FusedMatMul')) return o.node('FusedMatMul', [x, dense], { transB: 1 });
  return o.node('MatMul', [x, o.node('Transpose', [dense], { perm: [1, 0] })]);
};

/** Rows of a table `[n, d]` by ids `[...]` -> `[..., d]`, float32; the table keeps its stored form. */
export const rows = (o: Emitter, table: WeightRef, ids: Value): Computed => {
  if (runsInBlocks(o, table, 'GatherBlockQuantized') && table.tensor.blocks) {
    const { bits, blockSize } = table.tensor.blocks;
    const name = `${table.name}.table`;
    const [blocks, scales] = o.store(name, () => packedGroup(name, [table], 2));
    return o.node('GatherBlockQuantized', [blocks, ids, scales], {
      bits,
      block_size: blockSize,
      gather_axis: 0,
      quantize_axis: 1,
    });
  }
  if (table.tensor.type === 'f16' && readsHalves(o.target)) {
    const [halves] = o.store(`${table.name} in halves`, () => halfGroup(`${table.name}.halves`, table));
    return o.node('Cast', [o.node('Gather', [halves, ids])], { to: 1 });
  }
  return o.node('Gather', [o.weight(table), ids]);
};

/** How each head's own weight is stored, and whether all heads see the same rows. */
export interface HeadForm {
  readonly isTurned: boolean;
  readonly isShared: boolean;
}

/** x `[B, nHead or 1, T, nIn]` times the transposes of weights `[nHead, nOut, nIn]` (or turned) -> `[B, nHead, T, nOut]`. */
export const headProduct = (o: Emitter, x: Value, weight: WeightRef, { isTurned, isShared }: HeadForm): Computed => {
  const [nHead, nOut] = weight.shape as readonly [number, number, number];
  if (isTurned || !runsInBlocks(o, weight, 'MatMulNBits')) {
    if (isTurned) return o.node('MatMul', [x, o.weight(weight)]);
    if (o.has('FusedMatMul')) return o.node('FusedMatMul', [x, o.weight(weight)], { transB: 1 });
    return o.node('MatMul', [x, o.node('Transpose', [o.weight(weight)], { perm: [0, 2, 1] })]);
  }
  const heads = Array.from({ length: nHead }, (_, head) => weight.at(head));
  if (isShared) {
    const all = product(o, o.node('Squeeze', [x, o.i64([1])]), heads); // [B, T, nHead * nOut]
    return o.node('Transpose', [o.node('Reshape', [all, o.i64([0, 0, nHead, nOut])])], { perm: [0, 2, 1, 3] });
  }
  const rows = o.nodeOf('Split', [x, o.i64(heads.map(() => 1))], nHead, { axis: 1 });
  const products = heads.map((head, i) => product(o, rows[i] as Computed, [head]));
  return o.node('Concat', products, { axis: 1 });
};
