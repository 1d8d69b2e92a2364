/** Which stored form of a weight meets which kernel. The only place that knows both. */
import type { WeightRef } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { byteGroup, denseGroup, halfGroup, packedGroup } from './initializers.ts';
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
  if (o.has('DynamicQuantizeMatMul')) {
    const [bytes, scales] = o.store(`${key} in bytes`, () => byteGroup(key, refs));
    return o.node('DynamicQuantizeMatMul', [x, bytes, scales]);
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
